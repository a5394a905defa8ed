/*
 * An issuer: the loop's side of a bearer section. Has its keys fetched now and then, and its introspection_url asked;
 * both are bounded, so that whoever sends made-up tokens can't have it asked for each of them. Logs when it is away,
 * and when it is back.
 */
#ifndef AUTH_BEARER_ISSUER_H
#define AUTH_BEARER_ISSUER_H

#include "auth/bearer/client.h"
#include "auth/identity.h"
#include "auth/verdict.h"
#include "net/jobs.h"

struct issuer;

struct bearer_answer {
	enum verdict verdict;          /* GRANTED, WRONG or UNAVAILABLE */
	const char *reason;            /* static; "" where granted */
	const struct identity *holder; /* where granted: user, groups and senders, and no id; valid during the call */
	uint64_t expires_s;            /* of the wall clock */
	bool introspected;             /* the answer cost a request */
};

/* A question that waits for a thread. */
struct bearer_ask;
typedef void (*bearer_answered)(void *context, const struct bearer_answer *answer);

/* `client` outlives it. Begins to fetch the keys. */
MUST_USE enum status issuer_create(struct loop *loop, struct jobs *jobs, const struct bearer_client *client,
				   struct issuer **out_issuer);
void issuer_free(struct issuer **issuer); /* NULL-safe; sets to NULL; drops what waits */

const struct config_bearer *issuer_config(const struct issuer *issuer);
/*
 * Calls `answered` once, maybe before this returns. What waits is *out_ask, for bearer_forget; else NULL. `owner`: as
 * jobs have it.
 */
void issuer_ask(struct issuer *issuer, struct span token, uint64_t owner, bearer_answered answered, void *context,
		struct bearer_ask **out_ask);
/* It is not answered any more. NULL-safe; sets to NULL. */
void bearer_forget(struct bearer_ask **ask);

#endif
