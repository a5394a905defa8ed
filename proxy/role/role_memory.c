/*
 * Many clients that come at the same time take memory for a moment, and leave holes between what stays: without this,
 * the auth role held 2 KiB for each of 400 clients that it had long forgotten. To look for whole free pages costs some
 * 100 µs, so a role that is at work never does it.
 */
#include "role/role_memory.h"

#include <assert.h>
#include <limits.h>
#include <malloc.h>

#include "net/tls_object.h"
#include "net/tls_places.h"
#include "role/role.h"

/* Bytes: a larger piece is mapped, and given back, alone. */
#define MEMORY_IN_HEAP (1 << 20)
/* Bytes free at the heap's end that the kernel does not get back while the role works, unless it asks for more. */
#define MEMORY_KEPT (2 << 20)
/* Turns of the loop between two beats: with more, the role is at work. */
#define TURNS_AT_REST 20

void role_memory_begin(void)
{
	/* Message buffers come and go by the thousand, so their memory is kept for the next ones, within bounds. */
	mallopt(M_MMAP_THRESHOLD, MEMORY_IN_HEAP);
	mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
	mallopt(M_MXFAST, 0); /* or each larger piece begins with joining all the small ones that were freed */
}

/* What is beyond the threshold goes, down to the pad. */
void role_keep_memory(size_t bytes)
{
	assert(bytes <= INT_MAX - MEMORY_KEPT);
	mallopt(M_TRIM_THRESHOLD, (int)bytes + MEMORY_KEPT);
	mallopt(M_TOP_PAD, (int)bytes);
}

bool role_memory_beat(struct role_memory *memory, uint64_t turns)
{
	bool rests = turns - memory->turns <= TURNS_AT_REST;
	memory->turns = turns;
	tls_object_beat();
	if (!rests) {
		memory->is_used = true;
		return false;
	}
	if (!memory->is_used)
		return false;
	memory->is_used = false;
	tls_rest_places();
	malloc_trim(0);
	return true;
}
