/* Chained blocks, newest first; freed together. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
	struct arena_block *older;
	size_t used;
	size_t capacity;
	alignas(max_align_t) char data[];
};

/* Bytes: holds the envelope of a usual message. With its head it is as much as the C library hands out at once. */
#define ARENA_BLOCK (1024 - sizeof(struct arena_block))

void arena_init(struct arena *arena, size_t maximum)
{
	arena_init_blocks(arena, maximum, ARENA_BLOCK);
}

void arena_init_blocks(struct arena *arena, size_t maximum, size_t block)
{
	*arena = (struct arena){ .maximum = maximum, .block = block };
}

void arena_reset(struct arena *arena)
{
	while (arena->newest) {
		struct arena_block *older = arena->newest->older;
		free(arena->newest);
		arena->newest = older;
	}
	arena->used = 0;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
	size_t capacity = size > arena->block ? size : arena->block;
	if (capacity > arena->maximum - arena->used)
		capacity = size;
	if (capacity > arena->maximum - arena->used)
		return NULL;
	struct arena_block *block = malloc(sizeof(*block) + capacity); /* calloc takes none of what was just freed */
	if (block == NULL)
		return NULL;
	memset(block->data, 0, capacity);
	block->used = 0;
	block->capacity = capacity;
	block->older = arena->newest;
	arena->newest = block;
	arena->used += capacity;
	return block;
}

/* `alignment`: a power of two, no larger than that of a block's data. */
static void *take_bytes(struct arena *arena, size_t size, size_t alignment)
{
	struct arena_block *block = arena->newest;
	size_t gap = block ? -block->used & (alignment - 1) : 0;
	if (block == NULL || block->capacity - block->used < gap || block->capacity - block->used - gap < size) {
		block = add_block(arena, size);
		if (block == NULL)
			return NULL;
		gap = 0;
	}
	void *at = block->data + block->used + gap;
	block->used += gap + size;
	return at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return take_bytes(arena, size, alignof(max_align_t));
}

enum status arena_copy(struct arena *arena, struct span s, struct span *out_copy)
{
	char *at = take_bytes(arena, s.size, 1);
	if (at == NULL)
		return STATUS_NO_MEMORY;
	if (s.size)
		memcpy(at, s.data, s.size);
	*out_copy = (struct span){ at, s.size };
	return STATUS_OK;
}
