/*
 * The back end of app passwords. Whatever has the form and the checksum of one
 * is judged here for good, so that a guess at one never reaches the directory
 * and can't lock an account there. Where there is a directory, it says who the
 * user is: whoever was removed from it, or is disabled there, may not send.
 */
#include <time.h>

#include "auth/backend.h"
#include "auth/entries.h"
#include "base/clock.h"
#include "base/log.h"

static void refuse_password(struct chain_ask *ask, const char *reason)
{
	chain_answer(ask, VERDICT_WRONG, STATS_METHOD_APP_PASSWORD, reason);
}

static void defer_verdict(struct chain_ask *ask, const char *reason)
{
	chain_answer(ask, VERDICT_UNAVAILABLE, STATS_METHOD_APP_PASSWORD, reason);
}

static uint64_t now_s(void)
{
	return clock_wall_us() / 1000000;
}

static void grant_identity(struct chain_ask *ask, const struct identity *identity)
{
	struct app_password_record *record = store_find(ask->chain->parts.store, ask->decision.app_password_id);
	if (record == NULL) { /* revoked while the directory was asked */
		refuse_password(ask, "app password revoked");
		return;
	}
	if (identity_copy(identity, &ask->decision.identity) != STATUS_OK) {
		defer_verdict(ask, "out of memory");
		return;
	}
	record->last_used_s = now_s();
	chain_answer(ask, VERDICT_GRANTED, STATS_METHOD_APP_PASSWORD, "");
}

/* By the name alone, where no directory describes the user. */
static void grant_name(struct chain_ask *ask)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	if (identity_of_name(ask->credentials->name, &identity) == STATUS_OK)
		grant_identity(ask, &identity);
	else
		defer_verdict(ask, "out of memory");
}

static void judge_identity(struct chain_ask *ask, const struct identity *identity)
{
	if (identity->disabled)
		chain_answer(ask, VERDICT_DISABLED, STATS_METHOD_APP_PASSWORD, "account disabled");
	else
		grant_identity(ask, identity);
}

/* ---- the directory's word */

static void ask_next_directory(struct chain_ask *ask);

static void judge_without_entry(struct chain_ask *ask)
{
	entries_forget(ask);
	if (ask->chain->parts.config->app_password.require_directory_entry)
		chain_answer(ask, VERDICT_DISABLED, STATS_METHOD_APP_PASSWORD, "not in the directory");
	else
		grant_name(ask);
}

static void judge_while_away(struct chain_ask *ask, const char *reason)
{
	const struct config_app_password *config = &ask->chain->parts.config->app_password;
	const struct identity *last = entries_recall(ask, config->directory_grace);
	if (last)
		judge_identity(ask, last);
	else if (config->require_directory_entry)
		defer_verdict(ask, reason);
	else
		grant_name(ask);
}

static void on_answer(void *context, const struct ldap_request *answer)
{
	struct chain_ask *ask = context;
	ask->waiting = NULL;
	switch (answer->verdict) {
	case VERDICT_GRANTED:
	case VERDICT_DISABLED:
		entries_remember(ask, &answer->identity);
		judge_identity(ask, &answer->identity);
		break;
	case VERDICT_NONE:
		ask->directory++;
		ask_next_directory(ask);
		break;
	case VERDICT_WRONG:
	case VERDICT_UNAVAILABLE:
	case VERDICT_THROTTLED:
	default:
		judge_while_away(ask, answer->reason);
		break;
	}
}

static enum status look_up(struct chain_ask *ask)
{
	struct directory *directory = ask->chain->parts.directories[ask->directory];
	return directory_question(directory, ask->credentials->gate, ask->credentials->name, NULL, NULL, on_answer, ask,
				  &ask->waiting);
}

static void ask_next_directory(struct chain_ask *ask)
{
	if (ask->directory == ask->chain->parts.directory_count)
		judge_without_entry(ask);
	else if (look_up(ask) != STATUS_OK)
		judge_while_away(ask, "directory too slow");
}

static void identify_user(struct chain_ask *ask)
{
	const struct chain_parts *parts = &ask->chain->parts;
	if (parts->directory_count == 0) {
		grant_name(ask);
		return;
	}
	const struct identity *known = entries_recall(ask, parts->config->auth.cache);
	ask->directory = 0;
	if (known)
		judge_identity(ask, known);
	else
		ask_next_directory(ask);
}

/* ---- the password */

static void judge_password(struct chain_ask *ask, const struct secret *normal)
{
	struct app_password_store *store = ask->chain->parts.store;
	const struct credentials *credentials = ask->credentials;
	if (store_refresh(store) != STATUS_OK) {
		log_error("app passwords: the file is damaged or can't be read, after line %llu",
			  (unsigned long long)store_line(store));
		defer_verdict(ask, "app passwords can't be read");
		return;
	}
	struct app_password_record *record = NULL;
	enum status status = store_match(store, credentials->name, normal, &record);
	if (status == STATUS_NOT_FOUND) {
		refuse_password(ask, "wrong app password");
		return;
	}
	if (status != STATUS_OK) {
		defer_verdict(ask, "out of memory");
		return;
	}
	snprintf(ask->decision.app_password_id, sizeof(ask->decision.app_password_id), "%s", record->id);
	if (record->expires_s && now_s() >= record->expires_s)
		refuse_password(ask, "app password expired");
	else if (record->from_text[0] && !network_contains(&record->from, span_of(credentials->address)))
		refuse_password(ask, "app password not allowed from this address");
	else
		identify_user(ask);
}

static void begin_app_password(struct chain_ask *ask)
{
	struct secret normal SECRET_AUTO = { 0 };
	enum status status = app_password_normalize(secret_reveal(&ask->credentials->password), &normal);
	if (status == STATUS_NOT_FOUND || (status == STATUS_OK && ask->chain->parts.store == NULL))
		chain_pass(ask, "unknown user or wrong password");
	else if (status == STATUS_OK)
		judge_password(ask, &normal);
	else
		defer_verdict(ask, "out of memory");
}

const struct backend backend_app_password = { .name = "app_password", .begin = begin_app_password };
