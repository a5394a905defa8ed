/*
 * Memory with one owner and one end: allocations that live until the arena
 * is reset. One arena a session, reset after each transaction; an empty arena
 * holds no memory.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/span.h"

struct arena_block;

struct arena {
	struct arena_block *newest;
	size_t used;    /* bytes taken from the heap */
	size_t maximum; /* bytes it may ever take */
	size_t block;   /* bytes taken at once, at least */
};

void arena_init(struct arena *arena, size_t maximum);
/* For what stays long, and of which there are many: `block` is what a usual one holds. */
void arena_init_blocks(struct arena *arena, size_t maximum, size_t block);
void arena_reset(struct arena *arena); /* frees everything */

/* Zeroed, aligned for any type; NULL out of memory or past the maximum. */
void *arena_alloc(struct arena *arena, size_t size);
/* A copy that lives until the reset, right after what was taken before; STATUS_NO_MEMORY. */
MUST_USE enum status arena_copy(struct arena *arena, struct span s, struct span *out_copy);

#define ARENA_AUTO __attribute__((cleanup(arena_reset)))

#endif
