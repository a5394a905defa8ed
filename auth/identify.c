/* Asking the directories who a user is, and judging by what they last said where they can't be asked. */
#include "auth/identify.h"

#include "auth/backend.h"
#include "auth/entries.h"

static void defer_verdict(struct chain_ask *ask, const char *reason)
{
	chain_answer(ask, VERDICT_UNAVAILABLE, ask->identify->method, reason);
}

/* By the name alone, where no directory describes the user. */
static void grant_name(struct chain_ask *ask)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	if (identity_of_name(ask->credentials->name, &identity) == STATUS_OK)
		ask->identify->grant(ask, &identity);
	else
		defer_verdict(ask, "out of memory");
}

static void defer_user(struct chain_ask *ask, const char *reason)
{
	if (ask->identify->defer)
		ask->identify->defer(ask, reason);
	else
		defer_verdict(ask, reason);
}

static void refuse_user(struct chain_ask *ask, const struct identity *identity, const char *reason)
{
	if (ask->identify->refuse)
		ask->identify->refuse(ask, identity, reason);
	else
		chain_answer(ask, VERDICT_DISABLED, ask->identify->method, reason);
}

static void judge_identity(struct chain_ask *ask, const struct identity *identity)
{
	if (identity->standing != STANDING_GOOD)
		refuse_user(ask, identity, identity_refusal(identity->standing));
	else
		ask->identify->grant(ask, identity);
}

/* ---- the directory's word */

static void ask_next_directory(struct chain_ask *ask);

static void judge_without_entry(struct chain_ask *ask)
{
	entries_forget(ask);
	if (ask->chain->parts.config->app_password.require_directory_entry)
		refuse_user(ask, NULL, "not in the directory");
	else
		grant_name(ask);
}

/* Nothing is known of them. */
static void judge_stranger(struct chain_ask *ask)
{
	if (ask->chain->parts.config->app_password.require_directory_entry)
		defer_user(ask, ask->decision.reason);
	else
		grant_name(ask);
}

static void on_recalled(void *context, const struct identity *identity)
{
	struct chain_ask *ask = context;
	ask->recalling = NULL;
	if (identity)
		judge_identity(ask, identity);
	else
		judge_stranger(ask);
}

/* By what was said in this process's life, or before it. */
static void judge_while_away(struct chain_ask *ask, const char *reason)
{
	const struct chain_parts *parts = &ask->chain->parts;
	const struct identity *last = entries_recall(ask, parts->config->app_password.directory_grace);
	ask->decision.reason = reason;
	ask->identified = IDENTIFIED_WHILE_AWAY;
	if (last)
		judge_identity(ask, last);
	else if (last_words_ask(parts->last_words, ask->credentials->name, on_recalled, ask, &ask->recalling) !=
		 STATUS_OK)
		judge_stranger(ask);
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
	case VERDICT_MUST_CHANGE:
	case VERDICT_APP_PASSWORD:
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

void identify_user_anew(struct chain_ask *ask, const struct identify_plan *plan)
{
	ask->identify = plan;
	ask->identified = IDENTIFIED_NOW;
	ask->directory = 0;
	if (ask->chain->parts.directory_count == 0)
		grant_name(ask);
	else
		ask_next_directory(ask);
}

void identify_user(struct chain_ask *ask, const struct identify_plan *plan)
{
	const struct chain_parts *parts = &ask->chain->parts;
	const struct identity *known = parts->directory_count ? entries_recall(ask, parts->config->auth.cache) : NULL;
	if (known == NULL) {
		identify_user_anew(ask, plan);
		return;
	}
	ask->identify = plan;
	ask->identified = IDENTIFIED_LATELY;
	judge_identity(ask, known);
}
