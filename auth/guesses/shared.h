/*
 * Guesses and known places as all nodes share them, in Redis. One script takes a place for a try, another tells how it
 * went; both do all of it at once. What Redis answers is checked; what makes no sense counts as no answer.
 *
 * Keys, all of one hash slot as one script touches several: PREFIXauth:1:{guesses}: and then "user:NAME",
 * "net:NETWORK", "known:NAME", "index".
 */
#ifndef AUTH_GUESSES_SHARED_H
#define AUTH_GUESSES_SHARED_H

#include "auth/guesses/ledger.h"
#include "redis/redis.h"

struct shared_guesses;
struct shared_call; /* under way */

struct shared_settings {
	struct redis *redis; /* outlives it */
	const char *prefix;  /* of all keys; outlives it */
	struct guess_limits limits;
};

MUST_USE enum status shared_create(const struct shared_settings *settings, struct shared_guesses **out_shared);
/*
 * NULL-safe; sets to NULL. Pages under way end without an answer, reservations without a callback. The Redis client
 * must be freed next, without running the loop.
 */
void shared_free(struct shared_guesses **shared);

/* `has_answered` false: Redis is away or late; the place may have been taken all the same. */
typedef void shared_reserved(void *context, bool has_answered, enum guess_answer answer, uint64_t wait_ms);

/* Calls back once, not before this returns, unless forgotten. STATUS_UNAVAILABLE: Redis is away. */
MUST_USE enum status shared_reserve(struct shared_guesses *shared, const struct guess_claim *claim,
				    shared_reserved *on_reserved, void *context, struct shared_call **out_call);
/* Nobody waits for it any more: a place that it takes is given back. NULL-safe; sets to NULL. */
void shared_forget(struct shared_call **call);
/* Tells how the try went. False: there is no Redis; the lease ends by itself, and the try counts for the window. */
bool shared_settle(struct shared_guesses *shared, const struct guess_claim *claim, enum guess_outcome outcome);

/* `next` is where to go on; -1: that was all, and after a failure. `cleared` is of shared_clear. */
typedef void shared_done(void *context, bool has_answered, int64_t next, size_t cleared);

/* A page of those who are refused: `visit` is called for each, then `on_done`. */
MUST_USE enum status shared_list(struct shared_guesses *shared, uint64_t from, guess_visit *visit, shared_done *on_done,
				 void *context);
/* A page of the records is looked at, and those of these names, in lower case, are dropped; all without any name. */
MUST_USE enum status shared_clear(struct shared_guesses *shared, uint64_t from, const struct span *names, size_t count,
				  shared_done *on_done, void *context);

#define SHARED_NAMES_MAXIMUM 8 /* of one shared_clear */

#endif
