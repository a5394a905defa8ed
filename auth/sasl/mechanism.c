/* The table of mechanisms. */
#include "auth/sasl/mechanism.h"

static const struct sasl_mechanism *const mechanisms[] = {
	&sasl_plain,
	&sasl_login,
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
	state->step = 0;
}
