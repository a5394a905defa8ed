/*
 * The back end of access tokens: their issuer's keys, or the issuer itself, say whose they are (bearer/); then
 * identify.h's question remains. The groups and senders that the token lists are added to those of the directory. What
 * a browser brings from a provider is asked about there, and its ID token is a token then.
 */
#include <string.h>

#include "auth/backend.h"
#include "auth/identify.h"
#include "base/clock.h"
#include "base/log.h"
#include "smtp/address.h"

static enum stats_method method_of(const struct chain_ask *ask)
{
	return ask->credentials->kind == CREDENTIALS_CODE ? STATS_METHOD_OIDC : STATS_METHOD_TOKEN;
}

static void refuse_token(struct chain_ask *ask, enum verdict verdict, const char *reason)
{
	chain_answer(ask, verdict, method_of(ask), reason);
}

/* ---- what its issuer said of it */

static enum status make_token_key(const struct chain_ask *ask, struct cache_key *out_key)
{
	const struct span parts[] = { SPAN("token"), secret_reveal(&ask->credentials->password) };
	return cache_make_key(ask->chain->parts.key, parts, 2, out_key);
}

/* Whose it is is kept with it, so that it goes when they are forgotten. */
static void remember_token(struct chain_ask *ask, const struct identity *owner)
{
	const struct chain_parts *parts = &ask->chain->parts;
	const struct cache_proof until = { .origin = ask->token_expires_s }; /* there is no address to keep */
	struct cache_key key;
	if (ask->token_expires_s == 0 || parts->config->auth.cache == 0)
		return;
	memcpy(ask->claims.id, owner->id, sizeof(ask->claims.id));
	if (make_token_key(ask, &key) != STATUS_OK ||
	    cache_put(parts->tokens, &key, &ask->claims, &until, loop_now_ms(parts->loop)) != STATUS_OK)
		log_debug("what was said of a token was not kept");
}

/* ---- the holder */

/* By the name that the token gives, the directory's, or an address of theirs. */
static bool is_claimed(const struct chain_ask *ask, const struct identity *identity)
{
	const char *claimed = ask->credentials->claimed;
	struct codec_list rest = codec_list_of(&identity->senders);
	struct span sender;
	if (*claimed == '\0' || strcmp(claimed, identity->user) == 0 || strcmp(claimed, ask->claims.user) == 0)
		return true;
	while (codec_list_next(&rest, &sender))
		if (address_equal(sender, span_of(claimed)))
			return true;
	return false;
}

static enum status add_claims(const struct identity *claims, struct identity *identity)
{
	struct codec_list groups = codec_list_of(&claims->groups), senders = codec_list_of(&claims->senders);
	struct span item;
	while (codec_list_next(&groups, &item))
		TRY(identity_add(&identity->groups, item));
	while (codec_list_next(&senders, &item))
		TRY(identity_add(&identity->senders, item));
	return STATUS_OK;
}

static void admit_holder(struct chain_ask *ask, const struct identity *identity)
{
	remember_token(ask, identity);
	chain_answer(ask, VERDICT_GRANTED, method_of(ask), "");
}

static void grant_holder(struct chain_ask *ask, const struct identity *identity)
{
	struct identity *granted = &ask->decision.identity;
	enum status status = identity_copy(identity, granted);
	ask->decision.rights = identity_rights(ask->chain->parts.config, identity);
	if (status == STATUS_OK)
		status = add_claims(&ask->claims, granted);
	if (status != STATUS_OK)
		refuse_token(ask, VERDICT_UNAVAILABLE, status_text(status));
	else if (is_claimed(ask, granted))
		admit_holder(ask, identity);
	else
		refuse_token(ask, VERDICT_WRONG, "acting for another user");
}

static const struct identify_plan plan = { .method = STATS_METHOD_TOKEN, .grant = grant_holder };
static const struct identify_plan plan_of_code = { .method = STATS_METHOD_OIDC, .grant = grant_holder };

static void identify_holder(struct chain_ask *ask)
{
	snprintf(ask->credentials->name, sizeof(ask->credentials->name), "%s", ask->claims.user);
	snprintf(ask->user, sizeof(ask->user), "%s", ask->claims.user);
	identify_user(ask, ask->credentials->kind == CREDENTIALS_CODE ? &plan_of_code : &plan);
}

/* ---- what was said of the token lately */

/* NULL: it has to be asked about. */
static const struct identity *recall_token(const struct chain_ask *ask)
{
	const struct chain_parts *parts = &ask->chain->parts;
	struct cache_key key;
	uint64_t expires_s = 0;
	if (make_token_key(ask, &key) != STATUS_OK)
		return NULL;
	const struct identity *known =
		cache_find(parts->tokens, &key, parts->config->auth.cache, loop_now_ms(parts->loop), &expires_s);
	return known && clock_wall_us() / 1000000 < expires_s ? known : NULL;
}

/* ---- the token */

static void on_answer(void *context, const struct bearer_answer *answer)
{
	struct chain_ask *ask = context;
	ask->bearer = NULL;
	ask->sign_in = NULL;
	ask->is_guess = answer->introspected && answer->verdict == VERDICT_WRONG;
	if (answer->verdict != VERDICT_GRANTED) {
		refuse_token(ask, answer->verdict, answer->reason);
		return;
	}
	if (identity_copy(answer->holder, &ask->claims) != STATUS_OK) {
		refuse_token(ask, VERDICT_UNAVAILABLE, "out of memory");
		return;
	}
	bool is_kept = answer->introspected && ask->credentials->kind == CREDENTIALS_TOKEN;
	ask->token_expires_s = is_kept ? answer->expires_s : 0;
	identify_holder(ask);
}

/* Each made-up token costs a question, of which there are so many a second for all. */
static bool is_address_refused(const struct chain_ask *ask)
{
	const struct chain_parts *parts = &ask->chain->parts;
	const struct credentials *credentials = ask->credentials;
	return bearers_ask_issuer(parts->bearers, secret_reveal(&credentials->password)) &&
	       guesses_refuse_address(parts->guesses, span_of(credentials->address), credentials->gate);
}

static void begin_token(struct chain_ask *ask)
{
	struct chain_parts *parts = &ask->chain->parts;
	const struct identity *known = recall_token(ask);
	struct bearer_ask *waiting = NULL;
	if (known && identity_copy(known, &ask->claims) == STATUS_OK) {
		identify_holder(ask);
		return;
	}
	if (is_address_refused(ask)) {
		refuse_token(ask, VERDICT_THROTTLED, "address throttled");
		return;
	}
	bearers_ask(parts->bearers, secret_reveal(&ask->credentials->password), ask->credentials->gate + 1ULL,
		    on_answer, ask, &waiting);
	if (waiting)
		ask->bearer = waiting;
}

const struct backend backend_token = { .name = "token", .begin = begin_token };

/* ---- a code, which is good once */

static void begin_code(struct chain_ask *ask)
{
	const struct chain_parts *parts = &ask->chain->parts;
	const struct credentials *credentials = ask->credentials;
	struct sign_in_ask *waiting = NULL;
	if (parts->sign_in == NULL)
		refuse_token(ask, VERDICT_WRONG, "nobody logs in by OpenID Connect here");
	else if (guesses_refuse_address(parts->guesses, span_of(credentials->address), credentials->gate))
		refuse_token(ask, VERDICT_THROTTLED, "address throttled");
	else
		sign_in_ask(parts->sign_in, secret_reveal(&credentials->password), credentials->gate + 1ULL, on_answer,
			    ask, &waiting);
	if (waiting)
		ask->sign_in = waiting;
}

const struct backend backend_code = { .name = "oidc", .begin = begin_code };
