/*
 * The back end of users whom their certificate has named (certificate/holders.h): there is nothing left to prove, and
 * identify.h's question remains.
 */
#include "auth/backend.h"
#include "auth/identify.h"

static void grant_holder(struct chain_ask *ask, const struct identity *identity)
{
	if (identity_copy(identity, &ask->decision.identity) == STATUS_OK)
		chain_answer(ask, VERDICT_GRANTED, STATS_METHOD_CERTIFICATE, "");
	else
		chain_answer(ask, VERDICT_UNAVAILABLE, STATS_METHOD_CERTIFICATE, "out of memory");
}

static const struct identify_plan plan = { .method = STATS_METHOD_CERTIFICATE, .grant = grant_holder };

static void begin_certificate(struct chain_ask *ask)
{
	identify_user(ask, &plan);
}

const struct backend backend_certificate = { .name = "certificate", .begin = begin_certificate };
