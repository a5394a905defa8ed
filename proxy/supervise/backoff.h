/*
 * How long a process that died stays away: longer with each death, and from the start again after one that lived long
 * enough.
 */
#ifndef SUPERVISE_BACKOFF_H
#define SUPERVISE_BACKOFF_H

#include <stdint.h>

/* A rare crash costs clients next to nothing. */
#define BACKOFF_FIRST_MS 100
/* Trying a process that can't start costs next to nothing. */
#define BACKOFF_LONGEST_MS 30000
/* After a life this long the next death counts as the first. */
#define BACKOFF_LIVED_WELL_MS 60000

/* The next delay, from the one before (0: none yet) and how long the process lived. */
static inline uint64_t backoff_next(uint64_t former_ms, uint64_t lived_ms)
{
	if (former_ms == 0 || lived_ms >= BACKOFF_LIVED_WELL_MS)
		return BACKOFF_FIRST_MS;
	return former_ms > BACKOFF_LONGEST_MS / 2 ? BACKOFF_LONGEST_MS : former_ms * 2;
}

#endif
