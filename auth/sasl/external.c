/*
 * EXTERNAL (RFC 4422, appendix A): one response, the name to act for, or nothing. The client's certificate says
 * who the client is: that is no matter of the mechanism's.
 */
#include "auth/sasl/mechanism.h"

static enum sasl_result advance_external(struct sasl_state *state, const struct span *response, struct buf *challenge)
{
	(void)challenge; /* an empty one */
	if (response == NULL)
		return SASL_CHALLENGE;
	if (span_contains_byte(*response, '\0'))
		return SASL_MALFORMED;
	return secret_from_span(*response, &state->name) == STATUS_OK ? SASL_COMPLETE : SASL_OUT_OF_MEMORY;
}

const struct sasl_mechanism sasl_external = {
	.name = "EXTERNAL",
	.evidence = SASL_CERTIFICATE,
	.advance = advance_external,
};
