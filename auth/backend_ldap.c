/*
 * The back end of directory passwords: what succeeded a short while ago is
 * remembered, everything else is tried at the directories in their order. The
 * first that knows the user decides; one that can't be asked stops the search,
 * as the user may be there.
 */
#include <string.h>

#include "auth/backend.h"
#include "auth/entries.h"
#include "base/log.h"

/* One entry that we remembered may be outdated; a directory that goes on is at odds with itself. */
#define RENAMED_MAXIMUM 2

static void answer_ldap(struct chain_ask *ask, enum verdict verdict, const char *reason)
{
	chain_answer(ask, verdict, STATS_METHOD_LDAP, reason);
}

static void grant_identity(struct chain_ask *ask, const struct identity *identity)
{
	if (identity_copy(identity, &ask->decision.identity) == STATUS_OK)
		answer_ldap(ask, VERDICT_GRANTED, "");
	else
		answer_ldap(ask, VERDICT_UNAVAILABLE, "out of memory");
}

/* ---- whose password it would be */

static void set_user(struct chain_ask *ask, const char *user)
{
	snprintf(ask->user, sizeof(ask->user), "%s", user);
}

/* Whether the throttle refuses the user, or the name that the client gave for them. */
static bool user_is_blocked(const struct chain_ask *ask)
{
	const struct chain_parts *parts = &ask->chain->parts;
	const struct credentials *credentials = ask->credentials;
	uint64_t now_ms = loop_now_ms(parts->loop);
	return throttle_blocks(parts->throttle, credentials->gate, THROTTLE_USER, span_of(ask->user), now_ms) ||
	       throttle_blocks(parts->throttle, credentials->gate, THROTTLE_USER, span_of(credentials->name), now_ms);
}

/* ---- logins remembered */

static enum status login_key(const struct chain_ask *ask, struct cache_key *out_key)
{
	const struct span parts[] = {
		SPAN("login"),
		span_of(ask->credentials->name),
		secret_reveal(&ask->credentials->password),
	};
	return cache_make_key(ask->chain->parts.key, parts, 3, out_key);
}

static enum status hash_address(const struct chain_ask *ask, uint64_t *out_origin)
{
	const struct span parts[] = { SPAN("address"), span_of(ask->credentials->address) };
	struct cache_key key;
	TRY(cache_make_key(ask->chain->parts.key, parts, 2, &key));
	memcpy(out_origin, key.mac, sizeof(*out_origin));
	return STATUS_OK;
}

static void remember_login(struct chain_ask *ask, const struct identity *identity)
{
	struct chain_parts *parts = &ask->chain->parts;
	struct cache_key key;
	uint64_t origin = 0;
	if (parts->config->auth.cache == 0)
		return;
	if (login_key(ask, &key) != STATUS_OK || hash_address(ask, &origin) != STATUS_OK ||
	    cache_put(parts->logins, &key, identity, origin, loop_now_ms(parts->loop)) != STATUS_OK)
		log_debug("a login was not kept");
}

/* Whoever logged in with this password lately, with `same_address` only if from this address; NULL: nobody. */
static const struct identity *recall_login(struct chain_ask *ask, bool same_address)
{
	struct chain_parts *parts = &ask->chain->parts;
	struct cache_key key;
	uint64_t here = 0, origin = 0;
	if (login_key(ask, &key) != STATUS_OK || hash_address(ask, &here) != STATUS_OK)
		return NULL;
	const struct identity *known =
		cache_find(parts->logins, &key, parts->config->auth.cache, loop_now_ms(parts->loop), &origin);
	return known && same_address && here != origin ? NULL : known;
}

/* ---- the directories */

static void ask_next_directory(struct chain_ask *ask);

/*
 * The directory knows the user by another name, and a guess must count against them whatever the spelling (a directory
 * folds case, width and blanks): the throttle is asked once more before their password is tried.
 */
static void take_other(struct chain_ask *ask, const char *user)
{
	set_user(ask, user);
	if (++ask->renamed > RENAMED_MAXIMUM)
		answer_ldap(ask, VERDICT_UNAVAILABLE, "directory undecided");
	else if (user_is_blocked(ask))
		answer_ldap(ask, VERDICT_THROTTLED, "user throttled");
	else
		ask_next_directory(ask);
}

static void on_answer(void *context, const struct ldap_request *request)
{
	struct chain_ask *ask = context;
	ask->waiting = NULL;
	switch (request->verdict) {
	case VERDICT_GRANTED:
		remember_login(ask, &request->identity);
		entries_remember(ask, &request->identity);
		grant_identity(ask, &request->identity);
		break;
	case VERDICT_WRONG:
	case VERDICT_DISABLED:
		answer_ldap(ask, request->verdict, request->reason);
		break;
	case VERDICT_NONE:
		if (request->is_other) {
			take_other(ask, request->identity.user);
			break;
		}
		ask->decision.reason = request->reason;
		ask->directory++;
		ask_next_directory(ask);
		break;
	case VERDICT_UNAVAILABLE:
	case VERDICT_THROTTLED:
	default:
		answer_ldap(ask, VERDICT_UNAVAILABLE, request->reason);
		break;
	}
}

static enum status check_password(struct chain_ask *ask)
{
	const struct credentials *credentials = ask->credentials;
	return directory_question(ask->chain->parts.directories[ask->directory], credentials->gate, credentials->name,
				  ask->user, &credentials->password, on_answer, ask, &ask->waiting);
}

static void ask_next_directory(struct chain_ask *ask)
{
	if (ask->directory == ask->chain->parts.directory_count)
		chain_pass(ask, ask->decision.reason);
	else if (check_password(ask) != STATUS_OK)
		answer_ldap(ask, VERDICT_UNAVAILABLE, "directory too slow");
}

/*
 * A throttled user's password is no longer tried, neither at the directory nor
 * against remembered logins, which would reveal right guesses too. Only a client
 * that logged in with it from the same address lately may go on, undisturbed by
 * strangers' guesses.
 */
static void begin_ldap(struct chain_ask *ask)
{
	struct chain_parts *parts = &ask->chain->parts;
	if (parts->directory_count == 0) {
		chain_pass(ask, "unknown user or wrong password");
		return;
	}
	if (ask->address_blocked) {
		answer_ldap(ask, VERDICT_THROTTLED, "address throttled");
		return;
	}
	const struct identity *entry = entries_recall(ask, parts->config->auth.cache);
	const struct identity *known = recall_login(ask, false);
	if (known || entry)
		set_user(ask, known ? known->user : entry->user);
	bool user_blocked = user_is_blocked(ask);
	ask->directory = 0;
	if (user_blocked)
		known = recall_login(ask, true);
	if (known)
		grant_identity(ask, known);
	else if (user_blocked)
		answer_ldap(ask, VERDICT_THROTTLED, "user throttled");
	else
		ask_next_directory(ask);
}

const struct backend backend_ldap = { .name = "ldap", .begin = begin_ldap };
