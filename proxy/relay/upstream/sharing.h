/*
 * How the connections to an upstream are shared: among users, between attempts
 * that wait and those that have one, and among the relay processes of this
 * node. Only private.h, which has the pool and its attempts, includes this.
 */
#ifndef RELAY_UPSTREAM_SHARING_H
#define RELAY_UPSTREAM_SHARING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct upstream_attempt;
struct upstream_account;
struct upstream_pool;

/* ---- shares */

#define UPSTREAM_SHARE_BUCKETS 256

/* A user with attempts in the pool. `planned` belongs to the turn `plan`. */
struct upstream_share {
	TAILQ_ENTRY(upstream_share) in_bucket;
	uint64_t user;
	size_t attempts;
	size_t carried; /* those of them that have a connection */
	size_t planned; /* those of them that may get one in this turn */
	uint64_t plan;
};

TAILQ_HEAD(upstream_shares, upstream_share);

/* Finds or makes it, and counts one attempt more. NULL out of memory. */
struct upstream_share *upstream_share_hold(struct upstream_pool *pool, uint64_t user);
void upstream_share_release(struct upstream_pool *pool, struct upstream_share **share); /* NULL-safe */
/* The attempt has a connection from now on; it has none any more. */
void upstream_share_take(struct upstream_attempt *u);
void upstream_share_give(struct upstream_attempt *u);
/* True while its user may have one connection more. */
bool upstream_share_allows(const struct upstream_attempt *u);
/* Notes on each account for how many of its attempts a connection is wanted. In the pool's turn. */
void upstream_share_plan(struct upstream_pool *pool);

/* ---- giving way */

#define UPSTREAM_PATIENCE_MS 2000 /* then an attempt gives its connection to one that waits */

/*
 * Attempts that have had a connection for too long give way to those that wait. *out_next_ms is brought forward to when
 * the next one may have to. In the pool's turn.
 */
void upstream_yield(struct upstream_pool *pool, uint64_t *out_next_ms);

/* ---- neighbours */

#define UPSTREAM_SLOT_RETRY_MS 100 /* nothing tells us that another process gives a slot back, or wants one */

/* Notes whether another process has no connection and wants one; asks at intervals. After the count by account. */
void upstream_neighbours_survey(struct upstream_pool *pool);
/* True while slots are left to another process. */
bool upstream_neighbours_come_first(const struct upstream_account *account);
/* A connection was opened. */
void upstream_neighbours_note_opened(struct upstream_account *account);
/* Quits an idle connection for another process, and then no more for a while. */
void upstream_neighbours_give(struct upstream_pool *pool);
/* Tells the others whether this process has no connection and wants one. At the turn's end. */
void upstream_neighbours_ask(struct upstream_pool *pool);
/* When to look again, by the loop's clock; UINT64_MAX: there is no need. */
uint64_t upstream_neighbours_next_ms(const struct upstream_pool *pool);

#endif
