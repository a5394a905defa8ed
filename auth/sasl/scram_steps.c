/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as mechanisms: the client's first message names somebody, whose salt comes from
 * outside; its second one is the proof.
 */
#include "auth/sasl/mechanism.h"
#include "auth/sasl/scram.h"

static enum sasl_result result_of(enum status status, enum sasl_result good)
{
	if (status == STATUS_OK)
		return good;
	if (status == STATUS_REFUSED)
		return SASL_FORBIDDEN;
	return status == STATUS_NO_MEMORY || status == STATUS_SYSTEM ? SASL_OUT_OF_MEMORY : SASL_MALFORMED;
}

static enum sasl_result take_first(struct sasl_state *state, struct span message, bool is_plus)
{
	enum status status = scram_create(&state->scram);
	if (status == STATUS_OK)
		status = scram_take_first(state->scram, message, &state->bindings, is_plus, state->has_plus,
					  &state->name, &state->authority);
	return result_of(status, SASL_NAMED);
}

static enum sasl_result advance_scram(struct sasl_state *state, const struct span *response, struct buf *challenge,
				      bool is_plus)
{
	(void)challenge; /* an empty one, or salt_scram writes it */
	if (response == NULL)
		return SASL_CHALLENGE;
	if (state->step++ == 0)
		return take_first(state, *response, is_plus);
	return result_of(scram_take_final(state->scram, *response), SASL_COMPLETE);
}

static enum sasl_result advance_plain_scram(struct sasl_state *state, const struct span *response,
					    struct buf *challenge)
{
	return advance_scram(state, response, challenge, false);
}

static enum sasl_result advance_plus(struct sasl_state *state, const struct span *response, struct buf *challenge)
{
	return advance_scram(state, response, challenge, true);
}

const struct sasl_mechanism sasl_scram_sha_256 = {
	.name = "SCRAM-SHA-256",
	.evidence = SASL_PROOF,
	.advance = advance_plain_scram,
};

const struct sasl_mechanism sasl_scram_sha_256_plus = {
	.name = "SCRAM-SHA-256-PLUS",
	.evidence = SASL_PROOF,
	.advance = advance_plus,
};
