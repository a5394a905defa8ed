/*
 * Life signs. In its slab of shared memory a process shows that its loop turns, and each of its helper threads shows by
 * when its current call should be over. The supervisor looks at them from outside, with a clock of its own.
 *
 * Only its process writes a slab, so one that was taken over can speak only for itself. What it writes is read as
 * hostile: nothing in it is trusted as a time or a size.
 */
#ifndef STATS_LIFE_H
#define STATS_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "stats/stats.h"

#define LIFE_THREADS 256 /* of a process at most; more go unwatched (64 connections to each of 2 directories fit) */

/* Helper threads by what they do: threads of one kind can stand in for one another. */
#define LIFE_KINDS(KIND)         \
	KIND(AUDIT, "audit")     \
	KIND(SPOOL, "spool")     \
	KIND(DISK, "disk")       \
	KIND(CHECK, "check")     \
	KIND(LOOK_UP, "look-up") \
	KIND(TOKEN, "token")     \
	KIND(EXPORT, "export")   \
	KIND(WEBHOOK, "webhook") \
	KIND(SEARCH, "search")   \
	KIND(RECOUNT, "recount") \
	KIND(KEEPER, "keeper")   \
	KIND(PACKER, "packer")

enum life_kind {
#define LIFE_KIND(NUMBER, text) LIFE_##NUMBER,
	LIFE_KINDS(LIFE_KIND)
#undef LIFE_KIND
		LIFE_KIND_COUNT
};

const char *life_kind_text(enum life_kind kind);

/* ---- giving signs */

struct life;
struct life_thread;

/* The signs in this process's own slab. */
struct life *stats_life(struct stats *stats);
/* No sign was ever given. */
void life_clear(struct life *life);
/* The loop turns. Call it every LIFE_BEAT_MS. */
#define LIFE_BEAT_MS 1000
void life_beat(struct life *life);
/* The loop has stopped, as it should: the process finishes what is left. */
void life_end(struct life *life);

/*
 * Where the threads of this process give their signs; NULL, as at first: nowhere. Set before the first thread starts.
 */
void life_use(struct life *life);
/* From the thread itself, once. NULL, which the functions below accept: too many threads, or nowhere to give signs. */
struct life_thread *life_join(enum life_kind kind);
/* A call begins that should be over within limit_ms; it is over. */
void life_begin(struct life_thread *thread, uint64_t limit_ms);
void life_rest(struct life_thread *thread);
/* The thread ends, and another one may have its place. */
void life_leave(struct life_thread *thread);

/* ---- looking at them */

/* The signs in slab number `seat` of those mapped by stats_map_all. */
const struct life *stats_life_at(const struct stats *first, unsigned seat);

/*
 * What is known of one process. Times are sums over looks. Each look counts for LIFE_LOOK_MOST_MS at most, as nobody
 * knows what happened while nobody looked.
 */
#define LIFE_LOOK_MOST_MS 1000
struct life_watch {
	uint64_t looked_ms;
	uint64_t beats;
	uint64_t silent_ms; /* since the loop was last seen to turn */
	bool ending;
	struct life_call {
		uint64_t until_ms; /* 0: idle */
		uint64_t late_ms;  /* since that passed, in the same call */
	} calls[LIFE_THREADS];
	unsigned threads[LIFE_KIND_COUNT];
	unsigned stuck[LIFE_KIND_COUNT]; /* of them: late for LIFE_STUCK_MS */
	uint64_t latest_ms;              /* the largest late_ms */
};

/* A call this much past its limit counts as stuck: on a busy machine many are a little late. */
#define LIFE_STUCK_MS 4000

/* A process begins its life. */
void life_watch_begin(struct life_watch *watch, uint64_t now_ms);
void life_watch_look(struct life_watch *watch, const struct life *life, uint64_t now_ms);
/* A kind whose threads are all stuck, so that nothing of that kind goes on; LIFE_KIND_COUNT: none. */
enum life_kind life_watch_lost_kind(const struct life_watch *watch);

#endif
