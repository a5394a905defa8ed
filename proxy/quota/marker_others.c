/*
 * Which other processes of this node live: each holds a lock on one byte of the state file, far beyond its text, whose
 * place is the beginning of its name. The kernel drops it with the process.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "quota/marker_private.h"

#define PLACES ((off_t)1 << 20)                /* the first byte for locks */
#define PLACES_END (PLACES + ((off_t)1 << 48)) /* as many as MARKER_SHORT digits tell apart */
#define LISTED MARKER_NODES                    /* at most */

static off_t place_of(const char *process)
{
	uint64_t number = 0;
	for (size_t i = 0; i < MARKER_SHORT; i++) {
		const char *digits = "0123456789abcdef";
		number = number * 16 + (uint64_t)(strchr(digits, process[i]) - digits);
	}
	return PLACES + (off_t)number;
}

/* Without it nobody waits for what this process has charged. */
enum status marker_others_join(const struct marker_state *state, const char *process)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place_of(process), .l_len = 1 };
	return state->fd < 0 || fcntl(state->fd, F_SETLK, &lock) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

/* The kernel names any lock of a range: the others lie before and after it. */
static void list_between(int fd, off_t first, off_t end, unsigned *room, struct buf *out)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = end - first };
	if (first >= end || *room == 0 || fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return;
	--*room;
	if (lock.l_start < first)
		return; /* none of ours */
	if (buf_printf(out, "%s%0*" PRIx64, buf_size(out) ? " " : "", MARKER_SHORT,
		       (uint64_t)(lock.l_start - PLACES)) != STATUS_OK)
		return;
	list_between(fd, first, lock.l_start, room, out);
	list_between(fd, lock.l_start + 1, end, room, out);
}

void marker_others_list(const struct marker_state *state, struct buf *out)
{
	unsigned room = LISTED;
	if (state->fd >= 0)
		list_between(state->fd, PLACES, PLACES_END, &room, out);
}
