/*
 * The event loop of a role, on libev. Callbacks run on the loop's thread, one
 * after the other, and must never wait.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct loop;

MUST_USE enum status loop_create(struct loop **out_loop);
void loop_run(struct loop *loop);  /* until loop_stop */
void loop_stop(struct loop *loop); /* after the current turn, its end hooks included */
void loop_free(struct loop *loop); /* ends its guests; all other timers, watches and wakeups must be gone */
/*
 * After loop_run: runs on until everything that outlives its owner, such as a stream being finished, has ended by
 * itself, for `limit_ms` at most.
 */
void loop_finish(struct loop *loop, uint64_t limit_ms);
/* Milliseconds of the monotonic clock, read once a turn. */
uint64_t loop_now_ms(const struct loop *loop);
/* A different number in each turn. */
uint64_t loop_turn(const struct loop *loop);

/*
 * Tells how long each turn took, from when the loop stopped waiting until it is about to
 * wait again, after the last hook of its end. One listener a loop; it must be cheap.
 */
void loop_on_turn(struct loop *loop, void (*on_turn)(void *context, uint64_t duration_us), void *context);

/* ---- timers: one shot, cheap to move (a later deadline costs no heap operation) */

struct timer;

MUST_USE enum status timer_make(struct loop *loop, void (*on_expired)(void *context), void *context,
				struct timer **out_timer);
void timer_set(struct timer *timer, uint64_t delay_ms); /* from now; replaces what was set */
void timer_clear(struct timer *timer);
void timer_free(struct timer **timer); /* NULL-safe; sets to NULL; allowed inside its own callback */

/* ---- watches: readiness of a descriptor that somebody else owns */

enum watch_event {
	WATCH_READ = 1,
	WATCH_WRITE = 2,
};

struct watch;

MUST_USE enum status watch_create(struct loop *loop, int fd, unsigned events,
				  void (*on_ready)(void *context, unsigned events), void *context,
				  struct watch **out_watch);
void watch_set(struct watch *watch, unsigned events); /* 0 pauses it */
/* All that there was to read has been read. */
void watch_note_emptied(struct watch *watch);
/* Of what was there to read when this turn began nothing is left. False: something is, or nobody looked. */
bool watch_has_been_quiet(const struct watch *watch);
void watch_free(struct watch **watch); /* before the descriptor is closed; allowed inside its own callback */

/* ---- wakeups: how another thread reaches the loop; several sends may arrive as one */

struct wakeup;

MUST_USE enum status wakeup_create(struct loop *loop, void (*on_woken)(void *context), void *context,
				   struct wakeup **out_wakeup);
void wakeup_send(struct wakeup *wakeup); /* from any thread */
void wakeup_free(struct wakeup **wakeup);

/* ---- signals */

struct signal_watch;

MUST_USE enum status signal_watch_create(struct loop *loop, int number, void (*on_signal)(void *context), void *context,
					 struct signal_watch **out_watch);
void signal_watch_free(struct signal_watch **watch);

/* ---- the end of a turn: what was written in one turn is flushed once */

struct turn_end_list;

/* Embedded in its owner. Invariant: `list` is the loop's list that it stands in, or NULL. */
struct turn_end {
	void (*run)(void *context);
	void *context;
	struct turn_end_list *list;
	struct turn_end *next;
	struct turn_end *previous;
};

/* Runs once, before the loop waits again. Queued again by `run` itself: in the same turn's end. */
void loop_at_turn_end(struct loop *loop, struct turn_end *hook);
/* The same, ahead of all hooks that are queued: for what decides what those flush. */
void loop_first_at_turn_end(struct loop *loop, struct turn_end *hook);
/*
 * Runs once, when no other hook of the turn's end is left: for an owner that waits for another one's change. Queued
 * again by `run` itself: after the hooks that were queued since, or in the next turn.
 */
void loop_after_turn_end(struct loop *loop, struct turn_end *hook);
void loop_forget_turn_end(struct loop *loop, struct turn_end *hook);

/* ---- guests: what outlives its owner, and ends by itself or with the loop */

/* Embedded in the guest. Invariant: `link` is NULL iff it is no guest. */
struct loop_guest {
	void (*end)(void *context); /* called by loop_free; must leave */
	void *context;
	struct loop_guest *next;
	struct loop_guest **link; /* what points here */
};

void loop_take_in(struct loop *loop, struct loop_guest *guest);
void loop_guest_leave(struct loop_guest *guest); /* does nothing for what is no guest */

#endif
