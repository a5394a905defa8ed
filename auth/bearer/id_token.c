/* The checks of OpenID Connect Core 1.0, 3.1.3.7, that a token of another kind has no use for. */
#include "auth/bearer/id_token.h"

#include <string.h>

#include "auth/bearer/claims.h"
#include "base/secret.h"

#define CLOCK_SKEW_S 60
#define AGE_MAXIMUM_S 660   /* a login takes 10 minutes at most, and its token is made at the end */
#define SUBJECT_MAXIMUM 255 /* bytes (2: sub) */

static struct span text_of(const json_t *value)
{
	return (struct span){ json_string_value(value), json_string_length(value) };
}

/* An access token may look alike (RFC 9068, 2.1). */
static bool is_access_token(const struct bearer_token *token)
{
	struct span type = text_of(json_object_get(token->header, "typ"));
	return span_equal_nocase(type, SPAN("at+jwt")) || span_equal_nocase(type, SPAN("application/at+jwt"));
}

static bool is_fresh(const json_t *claims, uint64_t now_s)
{
	const json_t *issued = json_object_get(claims, "iat");
	double at_s = json_number_value(issued);
	return json_is_number(issued) && at_s <= (double)(now_s + CLOCK_SKEW_S) &&
	       at_s >= (double)now_s - AGE_MAXIMUM_S;
}

/* 3.1.3.7, 4 and 5: where it is for others too, it must say that we had it made. */
static bool is_made_for_us(const json_t *claims, const char *client_id)
{
	const json_t *party = json_object_get(claims, "azp");
	if (party == NULL)
		return json_array_size(json_object_get(claims, "aud")) <= 1;
	return span_equal(text_of(party), span_of(client_id));
}

static bool is_value(const json_t *value, struct span wanted)
{
	if (json_is_boolean(value))
		return span_equal(wanted, json_is_true(value) ? SPAN("true") : SPAN("false"));
	return json_is_string(value) && span_equal(text_of(value), wanted);
}

/* "name=value": the claim is that, or a list with it. */
static bool claims_say(const json_t *claims, const char *required)
{
	struct span wanted = span_of(required);
	size_t equals = span_find_byte(wanted, '='), i;
	const json_t *item, *claim = bearer_claims_find(claims, span_slice(wanted, 0, equals));
	wanted = span_slice(wanted, equals + 1, wanted.size);
	json_array_foreach(claim, i, item)
	{
		if (is_value(item, wanted))
			return true;
	}
	return claim && is_value(claim, wanted);
}

const char *id_token_judge(const struct bearer_token *token, const struct config_oidc *config, struct span nonce,
			   uint64_t now_s)
{
	const json_t *claims = token->claims;
	struct span subject = text_of(json_object_get(claims, "sub"));
	if (is_access_token(token))
		return "ID token of another kind";
	if (span_is_empty(nonce) || !secret_equal(text_of(json_object_get(claims, "nonce")), nonce))
		return "ID token of another login";
	if (span_is_empty(subject) || subject.size > SUBJECT_MAXIMUM)
		return "ID token without a subject";
	if (!is_fresh(claims, now_s))
		return "ID token issued at another time";
	if (!is_made_for_us(claims, config->client_id))
		return "ID token for another client";
	for (size_t i = 0; i < config->required_claims.count; i++)
		if (!claims_say(claims, config->required_claims.items[i]))
			return "ID token without a required claim";
	return NULL;
}
