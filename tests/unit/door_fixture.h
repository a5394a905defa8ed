/* Two ends of a door, or one whose other end is a bare socket, and what came through. */
#ifndef TESTS_DOOR_FIXTURE_H
#define TESTS_DOOR_FIXTURE_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/door.h"
#include "tests/unit/with_loop.h"

#define HEADER 6 /* bytes of a frame's header */

/* One end, and what came through it. */
struct door_side {
	struct door *door;
	unsigned frames, drained, closed;
	uint16_t last_type;
	size_t last_size;
	uint64_t sum; /* of all bytes of all payloads */
	int taken;    /* a descriptor, or -1 */
	bool takes, refuses, frees, answers;
};

struct doors_fixture {
	struct loop *loop;
	struct door_side a, b;
	int bare; /* the other end of `a`, when it is no door */
};

static inline enum status send_frame(struct door *door, uint16_t type, struct span payload)
{
	return door_send_payload(door, type, buf_append(door_payload(door), payload));
}

static inline enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_side *side = context;
	side->frames++;
	side->last_type = type;
	side->last_size = payload.size;
	if (side->takes)
		side->taken = door_take_fd(door);
	if (side->answers)
		assert_int_equal(send_frame(door, type, payload), STATUS_OK);
	if (side->frees)
		door_free(&side->door);
	/* Valid to the end of the call, even so. */
	for (size_t i = 0; i < payload.size; i++)
		side->sum += (unsigned char)payload.data[i];
	return side->refuses ? STATUS_INVALID : STATUS_OK;
}

static inline void on_drained(void *context, struct door *door)
{
	struct door_side *side = context;
	assert_true(door_backlog(door) < DOOR_PACE);
	side->drained++;
}

static inline void on_closed(void *context, struct door *door)
{
	struct door_side *side = context;
	assert_ptr_equal(door, side->door);
	side->closed++;
	if (side->frees)
		door_free(&side->door);
}

static const struct door_handler handler = { on_frame, on_drained, on_closed };

static inline void begin_bare(struct doors_fixture *f)
{
	int fds[2];
	*f = (struct doors_fixture){ .a.taken = -1, .b.taken = -1, .bare = -1 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(door_create(f->loop, fds[0], &handler, &f->a, &f->a.door), STATUS_OK);
	f->bare = fds[1];
}

static inline void begin_doors(struct doors_fixture *f)
{
	begin_bare(f);
	assert_int_equal(door_create(f->loop, f->bare, &handler, &f->b, &f->b.door), STATUS_OK);
	f->bare = -1;
}

static inline void end_doors(struct doors_fixture *f)
{
	door_free(&f->a.door);
	door_free(&f->b.door);
	if (f->bare >= 0)
		close(f->bare);
	loop_free(f->loop);
}

static inline bool a_is_closed(void *context)
{
	return ((struct doors_fixture *)context)->a.closed > 0;
}

static inline size_t make_frame(char *at, uint16_t type, struct span payload)
{
	uint32_t size = (uint32_t)payload.size;
	memcpy(at, &size, sizeof(size));
	memcpy(at + sizeof(size), &type, sizeof(type));
	memcpy(at + HEADER, payload.data, payload.size);
	return HEADER + payload.size;
}

static inline void send_bare(struct doors_fixture *f, const void *bytes, size_t size)
{
	assert_int_equal(send(f->bare, bytes, size, 0), size);
}

#endif
