/*
 * PLAIN (RFC 4616): one response, [authzid] NUL authcid NUL passwd.
 */
#include "auth/sasl/mechanism.h"

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
	bool is_kept = secret_from_span(authcid, &state->name) == STATUS_OK &&
		       secret_from_span(password, &state->password) == STATUS_OK &&
		       secret_from_span(authzid, &state->authority) == STATUS_OK;
	return is_kept ? SASL_COMPLETE : SASL_OUT_OF_MEMORY;
}

const struct sasl_mechanism sasl_plain = { .name = "PLAIN", .advance = advance_plain };
