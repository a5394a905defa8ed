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

#include "base/heap.h"
#include "base/map.h"

struct upstream_attempt;
struct upstream_account;
struct upstream_pool;
struct upstream_share;

/* ---- lines */

/* What lines are sorted for. */
enum upstream_order { UPSTREAM_BY_POOL, UPSTREAM_BY_ACCOUNT, UPSTREAM_ORDERS };

TAILQ_HEAD(upstream_attempts, upstream_attempt);

/*
 * One user's attempts that want an account: those that wait are in it by their turns. Invariant: between turns of the
 * pool, both links are in their heaps iff an attempt waits, and `next` is the first that does.
 */
struct upstream_line {
	TAILQ_ENTRY(upstream_line) in_share;
	TAILQ_ENTRY(upstream_line) in_passed; /* iff is_passed */
	struct heap_link links[UPSTREAM_ORDERS];
	struct upstream_attempt *next[UPSTREAM_ORDERS]; /* whose turn the link has */
	struct upstream_account *account;
	struct upstream_attempts waiting;
	size_t attempts; /* those that don't wait, too */
	bool is_passed;
};

TAILQ_HEAD(upstream_lines, upstream_line);

/* Finds or makes it, and counts one attempt more. NULL out of memory. */
struct upstream_line *upstream_line_hold(struct upstream_share *share, struct upstream_account *account);
void upstream_line_release(struct upstream_share *share, struct upstream_line **line); /* NULL-safe */

/*
 * Those that wait, in the order of their turns: of the pool's or of an account's lines. The first one; then what
 * follows, past this attempt or past all of its line; NULL: that was the last. Rewound once in the end.
 */
struct upstream_attempt *upstream_queue_first(const struct heap *lines, enum upstream_order order);
void upstream_queue_pass(const struct upstream_attempt *u, enum upstream_order order);
void upstream_queue_pass_line(const struct upstream_attempt *u, enum upstream_order order);
void upstream_queue_rewind(struct upstream_pool *pool);

/* ---- shares */

/* A user with attempts in the pool. `planned` belongs to the turn `plan`. */
struct upstream_share {
	struct map_link in_map;
	uint64_t user;
	bool is_limited; /* else they are nobody's, as in a trial */
	struct upstream_lines lines;
	size_t attempts;
	size_t carried; /* those of them that have a connection */
	size_t planned; /* those of them that may get one in this turn */
	uint64_t plan;
};

/* Finds or makes it, and counts one attempt more. NULL out of memory. */
struct upstream_share *upstream_share_hold(struct upstream_pool *pool, uint64_t user, bool is_limited);
void upstream_share_release(struct upstream_pool *pool, struct upstream_share **share); /* NULL-safe */
/* The attempt has a connection from now on; it has none any more. */
void upstream_share_take(struct upstream_attempt *u);
void upstream_share_give(struct upstream_attempt *u);
/* True while its user may have one connection more. */
bool upstream_share_allows(const struct upstream_attempt *u);
/*
 * Notes on each account for how many of its attempts a connection is wanted, and on the pool which accounts those are,
 * in the order of their turns. In the pool's turn.
 */
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
