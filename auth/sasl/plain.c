/*
 * PLAIN (RFC 4616): one response, [authzid] NUL authcid NUL passwd. Nobody may
 * act for another user: an authzid must be empty or the authcid itself.
 */
#include "auth/sasl/mechanism.h"

static enum sasl_result keep_credentials(struct sasl_state *state, struct span name, struct span password)
{
	if (secret_from_span(name, &state->name) != STATUS_OK)
		return SASL_OUT_OF_MEMORY;
	if (secret_from_span(password, &state->password) != STATUS_OK)
		return SASL_OUT_OF_MEMORY;
	return SASL_COMPLETE;
}

static enum sasl_result advance_plain(struct sasl_state *state, const struct span *response, struct buf *challenge)
{
	(void)challenge; /* an empty one */
	if (response == NULL)
		return SASL_CHALLENGE;
	size_t first = span_find_byte(*response, '\0');
	struct span rest = span_slice(*response, first + 1, response->size);
	size_t second = span_find_byte(rest, '\0');
	if (first == response->size || second == rest.size)
		return SASL_MALFORMED;
	struct span authzid = span_slice(*response, 0, first);
	struct span authcid = span_slice(rest, 0, second);
	struct span password = span_slice(rest, second + 1, rest.size);
	if (span_contains_byte(password, '\0'))
		return SASL_MALFORMED;
	if (keep_credentials(state, authcid, password) != SASL_COMPLETE)
		return SASL_OUT_OF_MEMORY;
	if (!span_is_empty(authzid) && !span_equal_nocase(authzid, authcid))
		return SASL_FORBIDDEN;
	return SASL_COMPLETE;
}

const struct sasl_mechanism sasl_plain = { .name = "PLAIN", .advance = advance_plain };
