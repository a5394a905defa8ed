/*
 * Doors: framing and pacing. Owns the socket, its buffers (wiped, as frames may carry passwords) and the descriptors on
 * their way (passage.h). The buffers keep some memory, so that a shortage rarely breaks a door or loses a frame.
 * Whatever goes wrong breaks the door as a whole, and its owner is told once, by on_closed. A door that is freed in its
 * own callback goes when the callback returns.
 */
#include "door/door.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "door/passage.h"

#define HEADER_SIZE 6U             /* bytes: length and type */
#define WITH_FD 0x8000U            /* bit of the type: a descriptor belongs to this frame */
#define READ_LEAST (64U << 10)     /* bytes: room for one read */
#define READ_PER_TURN (256U << 10) /* bytes, more than a socket holds: one door leaves time to the others */
#define KEPT_INPUT (256U << 10)    /* bytes: what a socket holds, and the beginning of a frame before that */
#define SEND_AT_ONCE (64U << 10)   /* bytes of output that don't wait for the turn's end: messages, going through */
#define KEPT_OUTPUT (160U << 10)   /* bytes: those, and one more piece of a message */
#define INPUT_MAXIMUM (HEADER_SIZE + DOOR_FRAME_MAXIMUM + READ_LEAST)

struct door {
	struct loop *loop;
	int fd;
	struct watch *watch;
	struct turn_end end;
	const struct door_handler *handler;
	void *context;
	struct buf input;
	struct buf output;
	size_t frame_at;   /* where in the output the frame begins that is being made */
	enum status begun; /* whether its header has room */
	uint64_t sent;     /* bytes, ever: the position of the output's first */
	struct passage passage;
	int frame_fd;       /* of the frame being handled, or -1 */
	bool was_backed_up; /* the backlog reached DOOR_PACE, and on_drained was not called since */
	bool full;          /* the socket took no more, and was not writable since */
	bool broken;
	bool closed;  /* and the owner knows */
	bool calling; /* inside a callback */
	bool freed;   /* by the owner, while calling */
};

/* ---- life */

static void on_ready(void *context, unsigned events);
static void on_turn_end(void *context);

static enum status make_buffers(struct door *door)
{
	TRY(buf_init_keeping(&door->input, INPUT_MAXIMUM, KEPT_INPUT));
	return buf_init_keeping(&door->output, DOOR_BACKLOG_MAXIMUM, KEPT_OUTPUT);
}

enum status door_create(struct loop *loop, int fd, const struct door_handler *handler, void *context,
			struct door **out_door)
{
	struct door *door = calloc(1, sizeof(*door));
	if (door == NULL || watch_create(loop, fd, WATCH_READ, on_ready, door, &door->watch) != STATUS_OK) {
		free(door);
		passage_close_fd(&fd);
		return STATUS_NO_MEMORY;
	}
	if (make_buffers(door) != STATUS_OK) {
		watch_free(&door->watch);
		buf_free(&door->input);
		buf_free(&door->output);
		free(door);
		passage_close_fd(&fd);
		return STATUS_NO_MEMORY;
	}
	door->loop = loop;
	door->fd = fd;
	door->handler = handler;
	door->context = context;
	door->end = (struct turn_end){ .run = on_turn_end, .context = door };
	door->frame_fd = -1;
	passage_init(&door->passage);
	*out_door = door;
	return STATUS_OK;
}

static void close_socket(struct door *door)
{
	loop_forget_turn_end(door->loop, &door->end);
	watch_free(&door->watch);
	passage_close_fd(&door->fd);
	passage_close(&door->passage);
	buf_free(&door->output);
}

static void release_door(struct door *door)
{
	passage_close_fd(&door->frame_fd);
	buf_free(&door->input);
	free(door);
}

void door_free(struct door **door)
{
	struct door *d = *door;
	*door = NULL;
	if (d == NULL)
		return;
	close_socket(d);
	/* The payload being handled stays valid to the end of its call. */
	if (d->calling)
		d->freed = true;
	else
		release_door(d);
}

/* ---- callbacks; each says whether the door still exists */

static bool came_back(struct door *door)
{
	door->calling = false;
	if (!door->freed)
		return true;
	release_door(door);
	return false;
}

static bool tell_closed(struct door *door)
{
	if (door->closed)
		return true;
	door->broken = door->closed = true;
	buf_clear(&door->output);
	watch_set(door->watch, 0);
	door->calling = true;
	door->handler->on_closed(door->context, door);
	return came_back(door);
}

static bool tell_drained(struct door *door)
{
	door->was_backed_up = false;
	if (door->handler->on_drained == NULL)
		return true;
	door->calling = true;
	door->handler->on_drained(door->context, door);
	return came_back(door);
}

static bool tell_frame(struct door *door, uint16_t type, struct span payload)
{
	door->calling = true;
	if (door->handler->on_frame(door->context, door, type, payload) != STATUS_OK)
		door->broken = true;
	passage_close_fd(&door->frame_fd);
	return came_back(door);
}

/* ---- reading */

/* Hands over every whole frame in the input. */
static bool handle_frames(struct door *door)
{
	while (!door->broken && buf_size(&door->input) >= HEADER_SIZE) {
		struct span bytes = buf_span(&door->input);
		uint32_t size;
		uint16_t type;
		memcpy(&size, bytes.data, sizeof(size));
		memcpy(&type, bytes.data + sizeof(size), sizeof(type));
		if (size > DOOR_FRAME_MAXIMUM) {
			door->broken = true;
			break;
		}
		if (bytes.size - HEADER_SIZE < size)
			break;
		if (type & WITH_FD) {
			door->frame_fd = passage_take(&door->passage);
			door->broken = door->frame_fd < 0;
		}
		if (door->broken)
			break;
		if (!tell_frame(door, (uint16_t)(type & ~WITH_FD), span_slice(bytes, HEADER_SIZE, HEADER_SIZE + size)))
			return false;
		buf_consume(&door->input, HEADER_SIZE + size);
	}
	return true;
}

/* One read. STATUS_AGAIN: the last one for now, whatever it brought. STATUS_END: the peer is gone. */
static enum status read_some(struct door *door, size_t *out_got)
{
	union passage_control control;
	struct iovec part;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	char *at;
	TRY(buf_reserve(&door->input, READ_LEAST, &at));
	part = (struct iovec){ .iov_base = at, .iov_len = door->input.capacity - door->input.end };
	ssize_t got = recvmsg(door->fd, &message, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? STATUS_AGAIN : STATUS_END;
	if (got == 0)
		return STATUS_END;
	buf_commit(&door->input, (size_t)got);
	TRY(passage_keep(&door->passage, &message));
	*out_got = (size_t)got;
	return (size_t)got < part.iov_len ? STATUS_AGAIN : STATUS_OK;
}

static bool receive_frames(struct door *door)
{
	size_t got, total = 0;
	enum status status;
	do {
		got = 0;
		status = read_some(door, &got);
		total += got;
		if (got && !handle_frames(door))
			return false;
	} while (status == STATUS_OK && total < READ_PER_TURN && !door->broken);
	if (status != STATUS_OK && status != STATUS_AGAIN)
		door->broken = true;
	return door->broken ? tell_closed(door) : true;
}

static void on_ready(void *context, unsigned events)
{
	struct door *door = context;
	if ((events & WATCH_READ) && !receive_frames(door))
		return;
	if (events & WATCH_WRITE) {
		door->full = false;
		loop_at_turn_end(door->loop, &door->end);
	}
}

int door_take_fd(struct door *door)
{
	int fd = door->frame_fd;
	door->frame_fd = -1;
	return fd;
}

/* ---- writing */

void door_attach_fd(struct door *door, int fd)
{
	passage_attach(&door->passage, fd);
}

/* Its owner hears of it at the end of the turn. */
static void break_off(struct door *door)
{
	door->broken = true;
	loop_at_turn_end(door->loop, &door->end);
}

struct buf *door_payload(struct door *door)
{
	char *at;
	door->frame_at = buf_size(&door->output);
	door->begun = buf_reserve(&door->output, HEADER_SIZE, &at);
	if (door->begun == STATUS_OK)
		buf_commit(&door->output, HEADER_SIZE);
	return &door->output;
}

/* Fills in the header; `rest` more bytes of the payload follow what was appended. */
static enum status finish_frame(struct door *door, uint16_t type, enum status written, size_t rest)
{
	TRY(door->begun);
	TRY(written);
	char *at = (char *)buf_span(&door->output).data + door->frame_at;
	size_t whole = buf_size(&door->output) - door->frame_at - HEADER_SIZE + rest;
	uint32_t size = (uint32_t)whole;
	if (whole > DOOR_FRAME_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (passage_has_next(&door->passage)) {
		TRY(passage_assign(&door->passage, door->sent + door->frame_at));
		type |= WITH_FD;
	}
	memcpy(at, &size, sizeof(size));
	memcpy(at + sizeof(size), &type, sizeof(type));
	return STATUS_OK;
}

/* Writes the output and then *rest, and drops what was written. A failure is noticed at the end of the turn. */
static void write_through(struct door *door, struct span *rest)
{
	size_t queued = buf_size(&door->output);
	struct iovec parts[] = {
		{ .iov_base = (void *)buf_span(&door->output).data, .iov_len = queued },
		{ .iov_base = (void *)rest->data, .iov_len = rest->size },
	};
	ssize_t written = writev(door->fd, parts, sizeof(parts) / sizeof(*parts));
	size_t taken = written > 0 ? (size_t)written : 0;
	door->full = taken < queued + rest->size;
	door->sent += taken;
	if (taken < queued) {
		buf_consume(&door->output, taken);
	} else {
		buf_clear(&door->output);
		*rest = span_slice(*rest, taken - queued, rest->size);
	}
}

static enum status finish_payload(struct door *door, uint16_t type, enum status written, struct span rest)
{
	TRY(finish_frame(door, type, written, rest.size));
	if (rest.size && !door->full && !passage_is_used(&door->passage))
		write_through(door, &rest);
	return buf_append(&door->output, rest);
}

enum status door_send_through(struct door *door, uint16_t type, enum status written, struct span rest)
{
	assert((type & WITH_FD) == 0);
	if (door->broken) {
		buf_clear(&door->output);
		return STATUS_UNAVAILABLE;
	}
	enum status status = finish_payload(door, type, written, rest);
	if (status != STATUS_OK)
		break_off(door);
	else if (buf_size(&door->output) >= SEND_AT_ONCE && !door->full)
		door_flush(door);
	if (buf_size(&door->output) >= DOOR_PACE)
		door->was_backed_up = true;
	loop_at_turn_end(door->loop, &door->end);
	return status;
}

enum status door_send_payload(struct door *door, uint16_t type, enum status written)
{
	return door_send_through(door, type, written, (struct span){ NULL, 0 });
}

void door_expect_no_secrets(struct door *door)
{
	buf_expect_no_secrets(&door->input);
	buf_expect_no_secrets(&door->output);
}

size_t door_backlog(const struct door *door)
{
	return buf_size(&door->output);
}

/* sendmsg(2) only with a descriptor: gates, which may not call it, have none to send. */
static ssize_t send_some(struct door *door)
{
	union passage_control control;
	struct span bytes = buf_span(&door->output);
	struct msghdr message = { 0 };
	size_t size = passage_prepare(&door->passage, door->sent, bytes.size, &message, &control);
	struct iovec part = { .iov_base = (void *)bytes.data, .iov_len = size };
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	ssize_t taken = message.msg_control ? sendmsg(door->fd, &message, MSG_NOSIGNAL)
					    : send(door->fd, bytes.data, size, MSG_NOSIGNAL);
	if (taken > 0)
		passage_left(&door->passage, door->sent);
	return taken;
}

/* STATUS_AGAIN: the socket is full. */
static enum status write_output(struct door *door)
{
	while (buf_size(&door->output)) {
		ssize_t taken = send_some(door);
		door->full = taken < 0;
		if (taken < 0)
			return errno == EAGAIN || errno == EINTR ? STATUS_AGAIN : STATUS_END;
		door->sent += (uint64_t)taken;
		buf_consume(&door->output, (size_t)taken);
	}
	return STATUS_OK;
}

static void on_turn_end(void *context)
{
	struct door *door = context;
	if (door->closed)
		return;
	enum status status = door->broken ? STATUS_END : write_output(door);
	if (status == STATUS_END) {
		/* What the peer said before it went still counts. */
		if (!door->broken && !receive_frames(door))
			return;
		tell_closed(door);
		return;
	}
	watch_set(door->watch, status == STATUS_AGAIN ? WATCH_READ | WATCH_WRITE : WATCH_READ);
	if (door->was_backed_up && buf_size(&door->output) < DOOR_PACE)
		tell_drained(door);
}

void door_flush(struct door *door)
{
	if (!door->broken)
		(void)write_output(door); /* a failure is noticed at the end of the turn, if there is one */
}

void door_receive(struct door *door)
{
	on_ready(door, WATCH_READ);
}
