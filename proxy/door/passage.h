/*
 * Descriptors on their way through a door: those that wait to leave with a frame, and those that came and wait for
 * their frame to be complete. Private to this room. It owns them all until they are sent or taken.
 */
#ifndef DOOR_PASSAGE_H
#define DOOR_PASSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/status.h"

#define PASSAGE_ARRIVED_MAXIMUM 4 /* descriptors whose frame is not complete; an honest peer needs two */

struct passage_leaving;

struct passage {
	struct passage_leaving *leaving; /* in the order of their frames */
	struct passage_leaving **last_leaving;
	int next; /* leaves with the next frame, or -1 */
	int arrived[PASSAGE_ARRIVED_MAXIMUM];
	size_t arrived_count;
};

/* The control part of a message with one descriptor. */
union passage_control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

void passage_init(struct passage *passage);
void passage_close(struct passage *passage);
void passage_close_fd(int *fd); /* sets it to -1; nothing for -1 */

/* ---- leaving; a position counts all bytes ever sent through the door */

void passage_attach(struct passage *passage, int fd);
bool passage_has_next(const struct passage *passage);
bool passage_is_used(const struct passage *passage); /* a descriptor is waiting to leave */
/* The attached descriptor belongs to the frame at this position. STATUS_NO_MEMORY. */
MUST_USE enum status passage_assign(struct passage *passage, uint64_t position);
/* How many of `size` bytes at this position may go out in one message. It gets the descriptor that goes with them. */
size_t passage_prepare(const struct passage *passage, uint64_t position, size_t size, struct msghdr *message,
		       union passage_control *control);
/* That message went out, in part at least. */
void passage_left(struct passage *passage, uint64_t position);

/* ---- arriving */

/* Keeps what came with a message. STATUS_INVALID: more than an honest peer sends. */
MUST_USE enum status passage_keep(struct passage *passage, struct msghdr *message);
/* The one that came first, for its frame; -1: none. */
int passage_take(struct passage *passage);

#endif
