/*
 * A node's copy of what is set by hand (by_hand.h), from which it comes back after a loss of Redis's. Once a second it
 * looks whether something was changed; whatever is newer in Redis is taken, whatever is newer here is brought, and
 * nothing goes from the copy because Redis lacks it.
 */
#ifndef QUOTA_BY_HAND_COPY_H
#define QUOTA_BY_HAND_COPY_H

#include "net/loop.h"
#include "quota/by_hand.h"

struct by_hand_copy;

struct by_hand_copy_handler {
	/* A lock came back, or was taken back once more: sessions and other nodes should know. */
	void (*on_lock)(void *context, struct span user_id, bool is_locked);
};

/*
 * `fds`: of its two files, taken over, also on failure; -1: there are none. All others must outlive it. STATUS_SYSTEM,
 * STATUS_NO_MEMORY.
 */
MUST_USE enum status by_hand_copy_create(struct loop *loop, struct redis *redis, const char *prefix, const int fds[2],
					 const struct by_hand_copy_handler *handler, void *context,
					 struct by_hand_copy **out_copy);
void by_hand_copy_free(struct by_hand_copy **copy); /* after Redis; NULL-safe; sets to NULL */

/*
 * Redis was emptied, or may lack something: everything that is newer here is brought to it. `on_done` is called once,
 * later; one that still waits is called no more. `why`: Redis has not taken all of it; NULL: it has. Valid in the call.
 */
void by_hand_copy_bring(struct by_hand_copy *copy, void (*on_done)(void *context, const char *why), void *context);
/* The next process keeps the copy. */
void by_hand_copy_drain(struct by_hand_copy *copy);

#endif
