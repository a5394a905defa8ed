/*
 * OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, Microsoft's): one response with an access token, and perhaps the name
 * of whom to act for. What host and port a client says it wants is of no use to us. A token that is refused is
 * told first by a challenge that says so, which the client has to answer.
 */
#include "auth/sasl/mechanism.h"
#include "auth/sasl/saslname.h"

#define FIELD_END '\x01'

/* RFC 6750, 2.1; the scheme's case does not matter. */
static enum sasl_result keep_token(struct sasl_state *state, struct span value)
{
	size_t at = span_find_byte(value, ' ');
	struct span token = span_trim(span_slice(value, at, value.size));
	if (!span_equal_nocase(span_slice(value, 0, at), SPAN("Bearer")) || span_is_empty(token) ||
	    !span_is_printable(token) || span_contains_byte(token, ' ') || !secret_is_empty(&state->password))
		return SASL_MALFORMED;
	return secret_from_span(token, &state->password) == STATUS_OK ? SASL_COMPLETE : SASL_OUT_OF_MEMORY;
}

static enum sasl_result keep_user(struct sasl_state *state, struct span user)
{
	if (!secret_is_empty(&state->name))
		return SASL_MALFORMED;
	return secret_from_span(user, &state->name) == STATUS_OK ? SASL_COMPLETE : SASL_OUT_OF_MEMORY;
}

/* "name=value", each ended by FIELD_END, and one more of these; "user" only where `has_user`. */
static enum sasl_result take_fields(struct sasl_state *state, struct span rest, bool has_user)
{
	enum sasl_result result = SASL_COMPLETE;
	while (rest.size > 1 && result == SASL_COMPLETE) {
		size_t end = span_find_byte(rest, FIELD_END);
		struct span field = span_slice(rest, 0, end);
		size_t equals = span_find_byte(field, '=');
		struct span value = span_slice(field, equals + 1, field.size);
		if (end == rest.size || equals == field.size)
			return SASL_MALFORMED;
		rest = span_slice(rest, end + 1, rest.size);
		if (span_equal_nocase(span_slice(field, 0, equals), SPAN("auth")))
			result = keep_token(state, value);
		else if (has_user && span_equal(span_slice(field, 0, equals), SPAN("user")))
			result = keep_user(state, value);
	}
	if (result != SASL_COMPLETE)
		return result;
	bool is_whole = rest.size == 1 && rest.data[0] == FIELD_END;
	return is_whole && !secret_is_empty(&state->password) ? SASL_COMPLETE : SASL_MALFORMED;
}

static enum sasl_result advance_xoauth2(struct sasl_state *state, const struct span *response, struct buf *challenge)
{
	(void)challenge; /* an empty one */
	if (response == NULL)
		return SASL_CHALLENGE;
	return span_contains_byte(*response, '\0') ? SASL_MALFORMED : take_fields(state, *response, true);
}

static enum sasl_result keep_authzid(struct sasl_state *state, struct span escaped)
{
	enum status status = saslname_read(escaped, &state->name);
	if (status == STATUS_OK)
		return SASL_COMPLETE;
	return status == STATUS_INVALID ? SASL_MALFORMED : SASL_OUT_OF_MEMORY;
}

/* "n,a=NAME," or "n,,": no channel binding. */
static enum sasl_result take_header(struct sasl_state *state, struct span header)
{
	struct span flag = span_slice(header, 0, 2), name = span_slice(header, 2, header.size);
	if (!span_equal(flag, SPAN("n,")) && !span_equal(flag, SPAN("y,")))
		return SASL_MALFORMED;
	if (span_is_empty(name))
		return SASL_COMPLETE;
	if (!span_starts_with(name, SPAN("a=")))
		return SASL_MALFORMED;
	return keep_authzid(state, span_slice(name, 2, name.size));
}

static enum sasl_result advance_oauthbearer(struct sasl_state *state, const struct span *response,
					    struct buf *challenge)
{
	(void)challenge; /* an empty one */
	if (response == NULL)
		return SASL_CHALLENGE;
	size_t end = span_find_byte(*response, FIELD_END);
	if (span_contains_byte(*response, '\0') || end == response->size || end < 2 || response->data[end - 1] != ',')
		return SASL_MALFORMED;
	enum sasl_result result = take_header(state, span_slice(*response, 0, end - 1));
	return result == SASL_COMPLETE ? take_fields(state, span_slice(*response, end + 1, response->size), false)
				       : result;
}

const struct sasl_mechanism sasl_oauthbearer = {
	.name = "OAUTHBEARER",
	.evidence = SASL_TOKEN,
	.refusal = "{\"status\":\"invalid_token\",\"schemes\":\"bearer\"}",
	.advance = advance_oauthbearer,
};

const struct sasl_mechanism sasl_xoauth2 = {
	.name = "XOAUTH2",
	.evidence = SASL_TOKEN,
	.refusal = "{\"status\":\"401\",\"schemes\":\"bearer\"}",
	.advance = advance_xoauth2,
};
