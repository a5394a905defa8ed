/*
 * The back end of directory passwords: what succeeded a short while ago is
 * remembered, everything else is tried at the directories in their order. The
 * first that knows the user decides; one that can't be asked stops the search,
 * as the user may be there.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/backend.h"
#include "auth/entries.h"
#include "auth/trial.h"
#include "base/log.h"

/* One entry that we remembered may be outdated; a directory that goes on is at odds with itself. */
#define RENAMED_MAXIMUM 2

static void answer_ldap(struct chain_ask *ask, enum verdict verdict, const char *reason)
{
	chain_answer(ask, verdict, STATS_METHOD_LDAP, reason);
}

/* Their own password is for other places than a mail program's settings. STATUS_NO_MEMORY. */
static enum status needs_app_password(const struct chain_ask *ask, const struct identity *identity, bool *out_needs)
{
	static const struct config_list no_users = { 0 };
	struct span *groups = NULL;
	size_t count = 0;
	TRY(identity_list_groups(identity, &groups, &count));
	*out_needs = config_names_user(&no_users, &ask->chain->parts.config->app_password.required_groups,
				       span_of(identity->user), groups, count);
	free(groups);
	return STATUS_OK;
}

static void grant_identity(struct chain_ask *ask, const struct identity *identity)
{
	bool needs = true;
	if (needs_app_password(ask, identity, &needs) != STATUS_OK)
		answer_ldap(ask, VERDICT_UNAVAILABLE, "out of memory");
	else if (needs)
		answer_ldap(ask, VERDICT_APP_PASSWORD, "app password required");
	else if (identity_copy(identity, &ask->decision.identity) == STATUS_OK)
		answer_ldap(ask, VERDICT_GRANTED, "");
	else
		answer_ldap(ask, VERDICT_UNAVAILABLE, "out of memory");
}

/* ---- whose password it would be */

static void set_user(struct chain_ask *ask, const char *user)
{
	snprintf(ask->user, sizeof(ask->user), "%s", user);
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

static enum status hash_part(const struct chain_ask *ask, struct span what, struct span part, uint64_t *out_hash)
{
	const struct span parts[] = { what, part };
	struct cache_key key;
	TRY(cache_make_key(ask->chain->parts.key, parts, 2, &key));
	memcpy(out_hash, key.mac, sizeof(*out_hash));
	return STATUS_OK;
}

static enum status hash_address(const struct chain_ask *ask, uint64_t *out_origin)
{
	return hash_part(ask, SPAN("address"), span_of(ask->credentials->address), out_origin);
}

static enum status hash_proof(const struct chain_ask *ask, struct cache_proof *out_proof)
{
	TRY(hash_part(ask, SPAN("password"), secret_reveal(&ask->credentials->password), &out_proof->password));
	return hash_address(ask, &out_proof->origin);
}

static enum status keep_login(struct chain_ask *ask, const struct identity *identity)
{
	struct chain_parts *parts = &ask->chain->parts;
	struct cache_key key;
	struct cache_proof proof;
	struct identity kept IDENTITY_AUTO;
	identity_init(&kept);
	TRY(login_key(ask, &key));
	TRY(hash_proof(ask, &proof));
	cache_drop_user(parts->logins, identity->id, proof.password);
	TRY(identity_copy(identity, &kept));
	TRY(identity_keep_groups_of(parts->config, &kept));
	return cache_put(parts->logins, &key, &kept, &proof, loop_now_ms(parts->loop));
}

/* The directory took this password: another that it took before may have been replaced by it. */
static void remember_login(struct chain_ask *ask, const struct identity *identity)
{
	if (ask->chain->parts.config->auth.cache != 0 && keep_login(ask, identity) != STATUS_OK)
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

/* A place was taken. Whoever logged in with this very password lately is not asked for again. */
static void try_password(struct chain_ask *ask)
{
	const struct identity *known = recall_login(ask, false);
	if (known)
		grant_identity(ask, known);
	else
		ask_next_directory(ask);
}

/*
 * The directory knows the user by another name, and a guess must count against them whatever the spelling (a directory
 * folds case, width and blanks): a place is taken in that name before their password is tried.
 */
static void take_other(struct chain_ask *ask, const char *user)
{
	set_user(ask, user);
	if (++ask->renamed > RENAMED_MAXIMUM)
		answer_ldap(ask, VERDICT_UNAVAILABLE, "directory undecided");
	else
		chain_take_place(ask, try_password);
}

static void on_answer(struct chain_ask *ask, const struct ldap_request *request)
{
	ask->was_tried |= request->was_tried;
	switch (request->verdict) {
	case VERDICT_GRANTED:
		remember_login(ask, &request->identity);
		entries_remember(ask, &request->identity);
		grant_identity(ask, &request->identity);
		break;
	case VERDICT_WRONG:
	case VERDICT_DISABLED:
	case VERDICT_MUST_CHANGE:
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
	case VERDICT_APP_PASSWORD:
	case VERDICT_UNAVAILABLE:
	case VERDICT_THROTTLED:
	default:
		answer_ldap(ask, VERDICT_UNAVAILABLE, request->reason);
		break;
	}
}

static void ask_next_directory(struct chain_ask *ask)
{
	if (ask->directory == ask->chain->parts.directory_count)
		chain_pass(ask, ask->decision.reason);
	else if (trial_begin(ask, on_answer) != STATUS_OK)
		answer_ldap(ask, VERDICT_UNAVAILABLE, "directory too slow");
}

/*
 * Remembered logins would reveal right guesses as the directory does, so they are looked at only with a place. A client
 * that comes back to its own address goes on without one, undisturbed by strangers' guesses, unless too many come from
 * there.
 */
static void begin_ldap(struct chain_ask *ask)
{
	struct chain_parts *parts = &ask->chain->parts;
	const struct credentials *credentials = ask->credentials;
	if (parts->directory_count == 0) {
		chain_pass(ask, ask->backend ? ask->decision.reason : "unknown user or wrong password");
		return;
	}
	const struct identity *entry = entries_recall(ask, parts->config->auth.cache);
	const struct identity *known = recall_login(ask, false);
	if (known || entry)
		set_user(ask, known ? known->user : entry->user);
	ask->directory = 0;
	known = recall_login(ask, true);
	if (known && !guesses_refuse_address(parts->guesses, span_of(credentials->address), credentials->gate))
		grant_identity(ask, known);
	else
		chain_take_place(ask, try_password);
}

const struct backend backend_ldap = { .name = "ldap", .begin = begin_ldap };
