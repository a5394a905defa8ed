/*
 * Leases: what this process may let each user send while Redis is away (redis.on_failure = "local"). Borrowed while it
 * answers, and counted as used from then on, so that all nodes together never pass a limit; given back when it is not
 * wanted any more, when it is more than a tenth of what is left, and at the process's end. What a process held that
 * died stays counted until the day is over.
 *
 * Only what a user's own daily limits cover is lent: not what members of a section share, nor what an app password may
 * send. Limits of an hour and a minute are not looked at while Redis is away, as a lease is small.
 */
#ifndef QUOTA_LEASES_H
#define QUOTA_LEASES_H

#include <sys/queue.h>

#include "quota/quota.h"

#define LEASE_MESSAGES 10          /* at most, for each user */
#define LEASE_RECIPIENTS 50        /* the same */
#define LEASE_BYTES (100ULL << 20) /* the same */
#define LEASE_IDLE_MS 600000       /* of a user: then it goes back */
#define LEASES_MAXIMUM 10000       /* users */

struct leases;

/* `process` names this process in Redis. All must outlive it. */
MUST_USE enum status leases_create(struct loop *loop, struct redis *redis, const char *prefix, const char *process,
				   struct leases **out_leases);
void leases_free(struct leases **leases); /* after Redis; NULL-safe; sets to NULL */

/* Whether leases cover all that these limits say. */
bool leases_cover(const struct quota_limits *limits);
/* A charge was granted: borrows, or gives back, what the counts suggest. */
void leases_note(struct leases *leases, struct span user, const struct quota_limits *own,
		 const struct quota_state *state);
/* Redis is away: true if the message is covered, and spent. */
bool leases_spend(struct leases *leases, const struct quota_order *order, struct quota_state *out_state);
/*
 * The message that was covered failed for certain. What Redis was told of meanwhile stays counted; so does what was
 * charged to another lease than the present one (`lease` of its state): of a day before, or of a memory that was lost.
 */
void leases_take_back(struct leases *leases, const struct quota_order *order, uint64_t number);
/* Redis has lost its memory, and with it what was lent. */
void leases_void(struct leases *leases);
/* Redis is connected anew: it is told what was spent. */
void leases_reconcile(struct leases *leases);
/* Gives back all, and borrows no more. */
void leases_drain(struct leases *leases);
/* It has, or Redis is away: then what it held stays counted. */
bool leases_are_back(const struct leases *leases);

#endif
