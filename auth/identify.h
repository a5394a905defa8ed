/*
 * Identifies a user whose proof needs no directory, such as an app password. Where there is one, it has the word:
 * whoever was removed from it, or is disabled there, may not send; while it is away, its last word holds.
 */
#ifndef AUTH_IDENTIFY_H
#define AUTH_IDENTIFY_H

#include "auth/chain.h"

/* Static: it outlives the question. */
struct identify_plan {
	enum stats_method method; /* what the user proved themselves with */
	/* Answers the chain for a user who may come in. */
	void (*grant)(struct chain_ask *ask, const struct identity *identity);
	/*
	 * Answers for a user who may not, `reason` being why; NULL: VERDICT_DISABLED, which only whoever proved who
	 * they are may hear. `identity` is NULL where no directory has the user.
	 */
	void (*refuse)(struct chain_ask *ask, const struct identity *identity, const char *reason);
	/* Answers where nothing is known of the user while a directory is away; NULL: VERDICT_UNAVAILABLE. */
	void (*defer)(struct chain_ask *ask, const char *reason);
};

/*
 * For the user of ask->credentials. Calls a function of the plan's or answers the chain, now or later; ask->identified
 * says by then whose word it is.
 */
void identify_user(struct chain_ask *ask, const struct identify_plan *plan);
/* The same, whatever a directory said lately. */
void identify_user_anew(struct chain_ask *ask, const struct identify_plan *plan);

#endif
