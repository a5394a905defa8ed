/*
 * OIDC: no mechanism of SASL's, and offered to no mail client. By it the console passes on what a browser brought back
 * from the provider, as auth/bearer/sign_in.h reads it: one response.
 */
#include "auth/sasl/mechanism.h"

static enum sasl_result advance_oidc(struct sasl_state *state, const struct span *response, struct buf *challenge)
{
	(void)challenge; /* there is none */
	if (response == NULL || span_is_empty(*response))
		return SASL_MALFORMED;
	return secret_from_span(*response, &state->password) == STATUS_OK ? SASL_COMPLETE : SASL_OUT_OF_MEMORY;
}

const struct sasl_mechanism sasl_oidc = {
	.name = "OIDC",
	.evidence = SASL_CODE,
	.advance = advance_oidc,
};
