/*
 * LOGIN: never standardized, needed in practice (draft-murchison-sasl-login).
 * Asks for the name, then for the password. Some clients compare the
 * challenges, so these are the two that every server sends. An initial response is the name.
 */
#include "auth/sasl/mechanism.h"

static enum sasl_result send_prompt(struct buf *challenge, const char *text)
{
	return buf_append_text(challenge, text) == STATUS_OK ? SASL_CHALLENGE : SASL_OUT_OF_MEMORY;
}

static enum sasl_result advance_login(struct sasl_state *state, const struct span *response, struct buf *challenge)
{
	if (response == NULL)
		return send_prompt(challenge, "Username:");
	if (span_contains_byte(*response, '\0'))
		return SASL_MALFORMED;
	struct secret *kept = state->step == 0 ? &state->name : &state->password;
	if (secret_from_span(*response, kept) != STATUS_OK)
		return SASL_OUT_OF_MEMORY;
	return state->step++ == 0 ? send_prompt(challenge, "Password:") : SASL_COMPLETE;
}

const struct sasl_mechanism sasl_login = { .name = "LOGIN", .advance = advance_login };
