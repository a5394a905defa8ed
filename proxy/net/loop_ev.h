/* What the files of the loop share: the only header that shows libev. */
#ifndef NET_LOOP_EV_H
#define NET_LOOP_EV_H

#include <ev.h>

#include "net/loop_lists.h"

struct loop {
	struct ev_loop *ev;
	ev_check turn_begin; /* reads the clock, before any other callback of the turn */
	ev_prepare turn_end; /* runs the hooks, before the loop waits */
	struct loop_lists lists;
	void (*on_turn)(void *context, uint64_t duration_us); /* or NULL */
	void *turn_context;
	uint64_t turn;          /* its number */
	uint64_t turn_began_us; /* of the monotonic clock */
	uint64_t now_ms;
	bool running;
	bool has_looked; /* at the descriptors: not before the first hooks of a run */
	bool stopping;
};

/* Before the first loop: libev ends no process for want of memory (loop_memory.c). STATUS_NO_MEMORY. */
MUST_USE enum status loop_memory_begin(void);
/* A zeroed block for a watcher or timer; `fd`: its descriptor, or -1. NULL: it must not be made. */
void *loop_memory_take(size_t size, int fd);
/* Frees it, once libev no longer knows it. */
void loop_memory_give(void *memory);

#endif
