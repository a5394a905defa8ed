/* The table of mechanisms. */
#include "auth/sasl/mechanism.h"

static const struct sasl_mechanism *const mechanisms[] = {
	&sasl_plain,       &sasl_login,   &sasl_scram_sha_256, &sasl_scram_sha_256_plus,
	&sasl_oauthbearer, &sasl_xoauth2, &sasl_external,      &sasl_oidc,
};

const struct sasl_mechanism *sasl_find(struct span name)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (span_equal_nocase(name, span_of(mechanisms[i]->name)))
			return mechanisms[i];
	return NULL;
}

void sasl_state_wipe(struct sasl_state *state)
{
	secret_wipe(&state->name);
	secret_wipe(&state->password);
	secret_wipe(&state->authority);
	scram_free(&state->scram);
	state->step = 0;
}
