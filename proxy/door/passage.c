/*
 * Descriptors through a stream socket (unix(7)). The kernel ends a read after the bytes that a descriptor was sent
 * with, so descriptors arrive in the order of their frames, and at most one frame ahead.
 */
#include "door/passage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct passage_leaving {
	struct passage_leaving *next;
	uint64_t position; /* first byte of its frame */
	int fd;
};

void passage_init(struct passage *passage)
{
	*passage = (struct passage){ .last_leaving = &passage->leaving, .next = -1 };
}

void passage_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void forget_first(struct passage *passage)
{
	struct passage_leaving *first = passage->leaving;
	passage->leaving = first->next;
	if (passage->leaving == NULL)
		passage->last_leaving = &passage->leaving;
	passage_close_fd(&first->fd);
	free(first);
}

void passage_close(struct passage *passage)
{
	passage_close_fd(&passage->next);
	while (passage->leaving)
		forget_first(passage);
	while (passage->arrived_count)
		passage_close_fd(&passage->arrived[--passage->arrived_count]);
}

/* ---- leaving */

void passage_attach(struct passage *passage, int fd)
{
	passage_close_fd(&passage->next);
	passage->next = fd;
}

bool passage_has_next(const struct passage *passage)
{
	return passage->next >= 0;
}

bool passage_is_used(const struct passage *passage)
{
	return passage->leaving || passage->next >= 0;
}

enum status passage_assign(struct passage *passage, uint64_t position)
{
	struct passage_leaving *leaving = malloc(sizeof(*leaving));
	if (leaving == NULL)
		return STATUS_NO_MEMORY;
	*leaving = (struct passage_leaving){ .position = position, .fd = passage->next };
	*passage->last_leaving = leaving;
	passage->last_leaving = &leaving->next;
	passage->next = -1;
	return STATUS_OK;
}

static bool leaves_at(const struct passage_leaving *leaving, uint64_t position)
{
	return leaving && leaving->position == position;
}

size_t passage_prepare(const struct passage *passage, uint64_t position, size_t size, struct msghdr *message,
		       union passage_control *control)
{
	const struct passage_leaving *first = passage->leaving;
	const struct passage_leaving *border = first;
	if (leaves_at(first, position)) {
		*control = (union passage_control){ 0 };
		control->header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control->header), &first->fd, sizeof(int));
		message->msg_control = control;
		message->msg_controllen = sizeof(*control);
		border = first->next;
	}
	return border ? (size_t)(border->position - position) : size;
}

void passage_left(struct passage *passage, uint64_t position)
{
	if (leaves_at(passage->leaving, position))
		forget_first(passage);
}

/* ---- arriving */

static enum status keep_one(struct passage *passage, int fd)
{
	if (passage->arrived_count == PASSAGE_ARRIVED_MAXIMUM) {
		close(fd);
		return STATUS_INVALID;
	}
	passage->arrived[passage->arrived_count++] = fd;
	return STATUS_OK;
}

enum status passage_keep(struct passage *passage, struct msghdr *message)
{
	/* MSG_CTRUNC: there were more than our control part holds, and the kernel has closed those. */
	enum status status = message->msg_flags & MSG_CTRUNC ? STATUS_INVALID : STATUS_OK;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (keep_one(passage, fd) != STATUS_OK)
				status = STATUS_INVALID;
		}
	}
	return status;
}

int passage_take(struct passage *passage)
{
	if (passage->arrived_count == 0)
		return -1;
	int fd = passage->arrived[0];
	passage->arrived_count--;
	memmove(passage->arrived, passage->arrived + 1, passage->arrived_count * sizeof(int));
	return fd;
}
