/*
 * What a back end is to the chain: a row. Each is asked with begin(), and calls chain_answer() or chain_pass() at once
 * or later.
 */
#ifndef AUTH_BACKEND_H
#define AUTH_BACKEND_H

#include "auth/chain.h"

struct backend {
	const char *name; /* as in auth.backends */
	void (*begin)(struct chain_ask *ask);
};

extern const struct backend backend_app_password;
extern const struct backend backend_ldap;

/* The verdict; for VERDICT_GRANTED ask->decision.identity was filled before. */
void chain_answer(struct chain_ask *ask, enum verdict verdict, enum stats_method method, const char *reason);
/* Not mine: the next back end; `reason` is kept for the audit in case there is none. */
void chain_pass(struct chain_ask *ask, const char *reason);

#endif
