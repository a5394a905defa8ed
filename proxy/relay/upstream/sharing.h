/*
 * How the connections of a relay are shared: among users, among those that
 * wait and those that have one, and among the relay processes of this node.
 * For private.h alone, which has the pool and its attempts.
 */
#ifndef RELAY_UPSTREAM_SHARING_H
#define RELAY_UPSTREAM_SHARING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct upstream;
struct upstream_account;
struct upstream_pool;

/* ---- shares */

#define UPSTREAM_SHARE_BUCKETS 256

/* A user with attempts in the pool. `planned` is of the turn `plan`. */
struct upstream_share {
	TAILQ_ENTRY(upstream_share) in_bucket;
	uint64_t user;
	size_t attempts;
	size_t carried; /* of them, by connections */
	size_t planned; /* connections that the next of them may have */
	uint64_t plan;
};

TAILQ_HEAD(upstream_shares, upstream_share);

/* NULL out of memory. Counts one attempt. */
struct upstream_share *upstream_share_hold(struct upstream_pool *pool, uint64_t user);
void upstream_share_release(struct upstream_pool *pool, struct upstream_share **share); /* NULL-safe */
/* A connection carries it from now on, or no longer. */
void upstream_share_take(struct upstream *u);
void upstream_share_give(struct upstream *u);
/* True while it may have one more connection. */
bool upstream_share_allows(const struct upstream *u);
/* Puts down for how many of an account's attempts connections are wanted. In the pool's turn. */
void upstream_share_plan(struct upstream_pool *pool);

/* ---- giving way */

#define UPSTREAM_PATIENCE_MS 2000 /* then an attempt gives its connection to one that waits */

/* Attempts that have had a connection for too long give way to those that wait. *out_next_ms: when there may be the next such. In the pool's turn. */
void upstream_yield(struct upstream_pool *pool, uint64_t *out_next_ms);

/* ---- neighbours */

#define UPSTREAM_SLOT_RETRY_MS 100 /* nobody tells when another process gives a slot back, or wants one */

/* Whether another process has no connection and wants one; asked at intervals. After the count by account. */
void upstream_neighbours_survey(struct upstream_pool *pool);
/* True while a slot is to be left to another process. */
bool upstream_neighbours_come_first(const struct upstream_account *account);
/* A connection was opened. */
void upstream_neighbours_note_opened(struct upstream_account *account);
/* Quits an idle connection for it: one, and then no other for a while. */
void upstream_neighbours_give(struct upstream_pool *pool);
/* Tells the others that this one has none and wants one, or has one now. At the turn's end. */
void upstream_neighbours_ask(struct upstream_pool *pool);
/* When it is to look again: of the loop's clock; UINT64_MAX: no matter. */
uint64_t upstream_neighbours_next_ms(const struct upstream_pool *pool);

#endif
