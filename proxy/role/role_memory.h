/*
 * What a role does with the C library's memory: it keeps some for what comes next while it works, and gives back what
 * nobody uses once it rests.
 */
#ifndef ROLE_MEMORY_H
#define ROLE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed at first. */
struct role_memory {
	uint64_t turns; /* the loop's, at the last beat */
	bool is_used;   /* the role has worked since memory was given back */
};

/* Before any memory is taken. */
void role_memory_begin(void);
/*
 * With each beat (LIFE_BEAT_MS), and the number of the loop's turn. True: the role has worked, and rested since the
 * beat before, so what it left unused was given back to the kernel.
 */
bool role_memory_beat(struct role_memory *memory, uint64_t turns);

#endif
