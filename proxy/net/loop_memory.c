/*
 * The memory of libev, which aborts the process when one of its arrays can't grow. Where memory is refused rather than
 * promised twice (vm.overcommit_memory = 2, a limit on address space), one client too many would cost a gate all of its
 * sessions. Everything else that finds no memory here refuses one client, and so must libev.
 *
 * Hence the spare blocks for when malloc fails: one for each array that grows with watchers and timers, each as large
 * as any of these arrays can become with the watchers that exist. One more watcher is refused until all spares are
 * there and large enough for it. Nothing else makes an array outgrow a spare.
 *
 * All loops of a process share the spares, which belong to one thread. The pages of a spare are not touched before it
 * is used, so it costs addresses and no memory.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop_ev.h"

#define SPARES 8  /* libev 4.33 has descriptors, their changes, timers, pending and epoll's events, and small ones */
#define ENTRY 32U /* bytes: the largest entry has 16, and arrays double */
#define SPARE_LEAST 16384 /* bytes: libev rounds up to pages */

static void *spares[SPARES];
static size_t spare_size; /* bytes of each spare, at least */
static size_t entries;    /* watchers and timers that exist */

static void **find_place(bool there)
{
	for (size_t i = 0; i < SPARES; i++)
		if ((spares[i] != NULL) == there)
			return &spares[i];
	return NULL;
}

/* A block that was a spare becomes one again. */
static void give_back(void *memory)
{
	void **place = memory && malloc_usable_size(memory) >= spare_size ? find_place(false) : NULL;
	if (place)
		*place = memory;
	else
		free(memory);
}

static void *spend_spare(void *former, size_t size)
{
	void **spare = find_place(true);
	if (spare == NULL || size > spare_size)
		return NULL;
	void *memory = *spare;
	*spare = NULL;
	if (former) {
		size_t known = malloc_usable_size(former);
		memcpy(memory, former, known < size ? known : size);
		free(former);
	}
	return memory;
}

static void *provide_memory(void *former, long size)
{
	if (size <= 0) {
		give_back(former);
		return NULL;
	}
	if (former && malloc_usable_size(former) >= (size_t)size)
		return former; /* a spare has room for any growth */
	void *memory = realloc(former, (size_t)size);
	if (memory == NULL)
		return spend_spare(former, (size_t)size);
	return memory;
}

static enum status enlarge_spares(size_t size)
{
	for (size_t i = 0; i < SPARES; i++) {
		void *memory = malloc(size);
		if (memory == NULL)
			return STATUS_NO_MEMORY; /* those replaced so far are larger than they need to be */
		free(spares[i]);
		spares[i] = memory;
	}
	spare_size = size;
	return STATUS_OK;
}

static enum status refill_spares(void)
{
	void **place;
	while ((place = find_place(false)) != NULL)
		if ((*place = malloc(spare_size)) == NULL)
			return STATUS_NO_MEMORY;
	return STATUS_OK;
}

void *loop_memory_take(size_t size, int fd)
{
	size_t highest = fd > 0 ? (size_t)fd : 0;
	size_t wanted = ENTRY * ((highest > entries ? highest : entries) + 1) + SPARE_LEAST;
	enum status status = wanted > spare_size ? enlarge_spares(2 * wanted) : refill_spares();
	void *memory = status == STATUS_OK ? calloc(1, size) : NULL;
	entries += memory != NULL;
	return memory;
}

void loop_memory_give(void *memory)
{
	free(memory);
	entries--;
}

enum status loop_memory_begin(void)
{
	ev_set_allocator(provide_memory);
	return spare_size ? refill_spares() : enlarge_spares(SPARE_LEAST);
}
