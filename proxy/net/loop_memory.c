/*
 * The memory of libev, which ends the process when an array of its can't grow. Where memory is refused rather than
 * promised twice (vm.overcommit_memory = 2, a limit on address space), that would cost a gate all of its sessions
 * for one client too many; so all else that finds no memory here refuses one client, and libev must not end the others.
 *
 * Hence the spare blocks, for when malloc gives none: one for each array that grows with watchers and timers, and each
 * as large as any of them can become with those that there are. To make one more is refused until all spares are
 * there, and large enough for it. Nothing else makes an array outgrow a spare.
 *
 * All loops of a process share them; they belong to one thread. Pages of a spare are touched once it is spent, so that
 * they cost addresses and no memory.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop_ev.h"

#define SPARES 8  /* libev 4.33 has descriptors, their changes, timers, pending and epoll's events, and small ones */
#define ENTRY 32U /* bytes: the largest entry has 16, and arrays double */
#define SPARE_LEAST 16384 /* bytes: libev rounds up to pages */

static void *spares[SPARES];
static size_t spare_size; /* bytes of each that is there, at least */
static size_t entries;    /* watchers and timers that there are */

static void **find(bool there)
{
	for (size_t i = 0; i < SPARES; i++)
		if ((spares[i] != NULL) == there)
			return &spares[i];
	return NULL;
}

/* What was spent, and is given back, is a spare again. */
static void give_back(void *memory)
{
	void **place = memory && malloc_usable_size(memory) >= spare_size ? find(false) : NULL;
	if (place)
		*place = memory;
	else
		free(memory);
}

static void *spend(void *former, size_t size)
{
	void **spare = find(true);
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

static void *provide(void *former, long size)
{
	if (size <= 0) {
		give_back(former);
		return NULL;
	}
	if (former && malloc_usable_size(former) >= (size_t)size)
		return former; /* a spare has room for all that comes */
	void *memory = realloc(former, (size_t)size);
	if (memory == NULL)
		return spend(former, (size_t)size);
	return memory;
}

static enum status enlarge(size_t size)
{
	for (size_t i = 0; i < SPARES; i++) {
		void *memory = malloc(size);
		if (memory == NULL)
			return STATUS_NO_MEMORY; /* those so far are only larger than they must be */
		free(spares[i]);
		spares[i] = memory;
	}
	spare_size = size;
	return STATUS_OK;
}

static enum status refill(void)
{
	void **place;
	while ((place = find(false)) != NULL)
		if ((*place = malloc(spare_size)) == NULL)
			return STATUS_NO_MEMORY;
	return STATUS_OK;
}

enum status loop_memory_take(int fd)
{
	size_t highest = fd > 0 ? (size_t)fd : 0;
	size_t wanted = ENTRY * ((highest > entries ? highest : entries) + 1) + SPARE_LEAST;
	TRY(wanted > spare_size ? enlarge(2 * wanted) : refill());
	entries++;
	return STATUS_OK;
}

void loop_memory_give(void)
{
	entries--;
}

enum status loop_memory_begin(void)
{
	ev_set_allocator(provide);
	return spare_size ? refill() : enlarge(SPARE_LEAST);
}
