/* Doors: frames in whole and in pieces, pacing, descriptors on the way, and what breaks a door. */
#include "with_loop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/door.h"

#define HEADER 6       /* bytes of a frame's header */
#define WITH_FD 0x8000 /* of the type: a descriptor belongs to it */
#define MANY 1000      /* frames */
#define LARGEST DOOR_FRAME_MAXIMUM

/* One end, and what came through it. */
struct side {
	struct door *door;
	unsigned frames, drained, closed;
	uint16_t last_type;
	size_t last_size;
	uint64_t sum; /* of all bytes of all payloads */
	int taken;    /* a descriptor, or -1 */
	bool takes, refuses, frees, answers;
};

struct fixture {
	struct loop *loop;
	struct side a, b;
	int bare; /* the other end of `a`, when it is no door */
};

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct side *side = context;
	side->frames++;
	side->last_type = type;
	side->last_size = payload.size;
	if (side->takes)
		side->taken = door_take_fd(door);
	if (side->answers)
		assert_int_equal(door_send_frame(door, type, payload), STATUS_OK);
	if (side->frees)
		door_free(&side->door);
	/* Valid to the end of the call, even so. */
	for (size_t i = 0; i < payload.size; i++)
		side->sum += (unsigned char)payload.data[i];
	return side->refuses ? STATUS_INVALID : STATUS_OK;
}

static void on_drained(void *context, struct door *door)
{
	struct side *side = context;
	assert_true(door_backlog(door) < DOOR_PACE);
	side->drained++;
}

static void on_closed(void *context, struct door *door)
{
	struct side *side = context;
	assert_ptr_equal(door, side->door);
	side->closed++;
	if (side->frees)
		door_free(&side->door);
}

static const struct door_handler handler = { on_frame, on_drained, on_closed };

static void begin_bare(struct fixture *f)
{
	int fds[2];
	*f = (struct fixture){ .a.taken = -1, .b.taken = -1, .bare = -1 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(door_create(f->loop, fds[0], &handler, &f->a, &f->a.door), STATUS_OK);
	f->bare = fds[1];
}

static void begin(struct fixture *f)
{
	begin_bare(f);
	assert_int_equal(door_create(f->loop, f->bare, &handler, &f->b, &f->b.door), STATUS_OK);
	f->bare = -1;
}

static void end(struct fixture *f)
{
	door_free(&f->a.door);
	door_free(&f->b.door);
	if (f->bare >= 0)
		close(f->bare);
	loop_free(f->loop);
}

static bool a_is_closed(void *context)
{
	return ((struct fixture *)context)->a.closed > 0;
}

static size_t make_frame(char *at, uint16_t type, struct span payload)
{
	uint32_t size = (uint32_t)payload.size;
	memcpy(at, &size, sizeof(size));
	memcpy(at + sizeof(size), &type, sizeof(type));
	memcpy(at + HEADER, payload.data, payload.size);
	return HEADER + payload.size;
}

static void send_bare(struct fixture *f, const void *bytes, size_t size)
{
	assert_int_equal(send(f->bare, bytes, size, 0), size);
}

/* ---- frames */

static void frames_of_one_turn_go_out_in_one_write(void **state)
{
	struct fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	assert_int_equal(door_send_frame(f.a.door, 1, SPAN("one")), STATUS_OK);
	assert_int_equal(door_send_frame(f.a.door, 2, SPAN("")), STATUS_OK);
	assert_int_equal(recv(f.bare, bytes, sizeof(bytes), 0), -1);
	assert_int_equal(door_backlog(f.a.door), HEADER + 3 + HEADER);
	run_for(f.loop, 3);
	assert_int_equal(recv(f.bare, bytes, sizeof(bytes), 0), HEADER + 3 + HEADER);
	assert_int_equal(door_backlog(f.a.door), 0);
	end(&f);
}

static void a_frame_arrives_whole_and_byte_by_byte(void **state)
{
	struct fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	size_t size = make_frame(bytes, 7, SPAN("payload"));
	send_bare(&f, bytes, size);
	run_for(f.loop, 3);
	assert_int_equal(f.a.frames, 1);
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(f.a.frames, 1);
		send_bare(&f, bytes + i, 1);
		run_for(f.loop, 2);
	}
	assert_int_equal(f.a.frames, 2);
	assert_int_equal(f.a.last_type, 7);
	assert_int_equal(f.a.last_size, 7);
	end(&f);
}

static bool b_has_many(void *context)
{
	return ((struct fixture *)context)->b.frames == MANY;
}

static void many_frames_of_every_size_arrive_unharmed(void **state)
{
	struct fixture f;
	char *payload = malloc(8 * MANY);
	uint64_t sum = 0;
	(void)state;
	begin(&f);
	memset(payload, 'x', 8 * MANY);
	for (size_t i = 0; i < MANY; i++) {
		size_t size = i * 7;
		sum += size * 'x';
		assert_int_equal(door_send_frame(f.a.door, 3, (struct span){ payload, size }), STATUS_OK);
	}
	run_until(f.loop, b_has_many, &f);
	assert_true(f.b.sum == sum);
	assert_int_equal(f.a.drained, 1);
	free(payload);
	end(&f);
}

static bool both_have_one(void *context)
{
	struct fixture *f = context;
	return f->a.frames == 1 && f->b.frames == 1;
}

static void the_largest_frame_goes_there_and_back(void **state)
{
	struct fixture f;
	char *payload = calloc(1, LARGEST);
	(void)state;
	begin(&f);
	f.b.answers = true;
	assert_int_equal(door_send_frame(f.a.door, 1, (struct span){ payload, LARGEST }), STATUS_OK);
	run_until(f.loop, both_have_one, &f);
	assert_int_equal(f.a.last_size, LARGEST);
	free(payload);
	end(&f);
}

static void the_frames_before_a_hangup_are_still_handled(void **state)
{
	struct fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	send_bare(&f, bytes, make_frame(bytes, 7, SPAN("last words")));
	close(f.bare);
	f.bare = -1;
	/* Our own write finds out first that nobody is there. */
	assert_int_equal(door_send_frame(f.a.door, 1, SPAN("hello?")), STATUS_OK);
	run_until(f.loop, a_is_closed, &f);
	assert_int_equal(f.a.frames, 1);
	run_for(f.loop, 3);
	assert_int_equal(f.a.closed, 1);
	assert_int_equal(door_send_frame(f.a.door, 1, SPAN("x")), STATUS_UNAVAILABLE);
	end(&f);
}

/* ---- pacing */

static void a_sender_of_bulk_is_told_when_to_go_on(void **state)
{
	struct fixture f;
	char *piece = calloc(1, 65536);
	char *sink = malloc(65536);
	(void)state;
	begin_bare(&f);
	while (door_backlog(f.a.door) < 3 * DOOR_PACE)
		assert_int_equal(door_send_frame(f.a.door, 1, (struct span){ piece, 65536 }), STATUS_OK);
	run_for(f.loop, 3);
	assert_int_equal(f.a.drained, 0);
	while (door_backlog(f.a.door)) {
		while (recv(f.bare, sink, 65536, 0) > 0)
			continue;
		run_for(f.loop, 2);
	}
	assert_int_equal(f.a.drained, 1);
	free(piece);
	free(sink);
	end(&f);
}

static void a_peer_that_never_reads_breaks_the_door_at_its_maximum(void **state)
{
	struct fixture f;
	char *piece = calloc(1, LARGEST);
	enum status status = STATUS_OK;
	(void)state;
	begin_bare(&f);
	for (int i = 0; status == STATUS_OK && i < 100; i++)
		status = door_send_frame(f.a.door, 1, (struct span){ piece, LARGEST });
	assert_int_equal(status, STATUS_TOO_LARGE);
	assert_true(door_backlog(f.a.door) <= DOOR_BACKLOG_MAXIMUM);
	assert_int_equal(f.a.closed, 0);
	run_until(f.loop, a_is_closed, &f);
	free(piece);
	end(&f);
}

/* ---- faults */

static void an_oversized_frame_can_not_be_sent(void **state)
{
	struct fixture f;
	char *piece = calloc(1, LARGEST + 1);
	(void)state;
	begin_bare(&f);
	assert_int_equal(door_send_frame(f.a.door, 1, (struct span){ piece, LARGEST + 1 }), STATUS_TOO_LARGE);
	run_until(f.loop, a_is_closed, &f);
	free(piece);
	end(&f);
}

static void a_length_past_the_maximum_breaks_the_door(void **state)
{
	static const uint32_t sizes[] = { LARGEST + 1, UINT32_MAX };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;
		char bytes[HEADER] = { 0 };
		begin_bare(&f);
		memcpy(bytes, &sizes[i], sizeof(sizes[i]));
		send_bare(&f, bytes, sizeof(bytes));
		run_until(f.loop, a_is_closed, &f);
		assert_int_equal(f.a.frames, 0);
		end(&f);
	}
}

static void a_refused_frame_breaks_the_door_before_the_next(void **state)
{
	struct fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	f.a.refuses = true;
	size_t size = make_frame(bytes, 1, SPAN("bad"));
	size += make_frame(bytes + size, 1, SPAN("next"));
	send_bare(&f, bytes, size);
	run_until(f.loop, a_is_closed, &f);
	assert_int_equal(f.a.frames, 1);
	assert_int_equal(f.a.closed, 1);
	end(&f);
}

static void a_door_may_be_freed_in_its_callbacks(void **state)
{
	struct fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	f.a.frees = true;
	size_t size = make_frame(bytes, 1, SPAN("one"));
	size += make_frame(bytes + size, 1, SPAN("two"));
	send_bare(&f, bytes, size);
	run_for(f.loop, 5);
	assert_null(f.a.door);
	assert_int_equal(f.a.frames, 1);
	assert_int_equal(f.a.sum, 'o' + 'n' + 'e');
	assert_int_equal(f.a.closed, 0);
	end(&f);

	begin_bare(&f);
	f.a.frees = true;
	close(f.bare);
	f.bare = -1;
	run_for(f.loop, 5);
	assert_null(f.a.door);
	assert_int_equal(f.a.closed, 1);
	end(&f);
}

/* ---- descriptors */

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static unsigned count_open(void)
{
	unsigned count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += is_open(fd);
	return count;
}

static bool b_has_three(void *context)
{
	return ((struct fixture *)context)->b.frames == 3;
}

static void a_descriptor_comes_with_its_frame_and_is_not_inherited(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	f.b.takes = true;
	unsigned before = count_open();
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(door_send_frame(f.a.door, 9, SPAN("with")), STATUS_OK);
	run_for(f.loop, 5);
	assert_int_equal(f.b.last_type, 9);
	assert_int_equal(count_open(), before + 1);
	assert_true(is_open(f.b.taken));
	assert_true(fcntl(f.b.taken, F_GETFD) & FD_CLOEXEC);
	close(f.b.taken);
	end(&f);
}

struct taker {
	struct fixture *f;
	int fds[3];
};

static enum status take_each(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct taker *taker = context;
	(void)payload;
	taker->fds[type] = door_take_fd(door);
	assert_int_equal(door_take_fd(door), -1);
	taker->f->b.frames++;
	return STATUS_OK;
}

static void each_descriptor_finds_its_frame_among_others(void **state)
{
	static const struct door_handler taking = { .on_frame = take_each, .on_closed = on_closed };
	struct fixture f;
	struct taker taker = { .f = &f };
	(void)state;
	begin_bare(&f);
	assert_int_equal(door_create(f.loop, f.bare, &taking, &taker, &f.b.door), STATUS_OK);
	f.bare = -1;
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(door_send_frame(f.a.door, 0, SPAN("with")), STATUS_OK);
	assert_int_equal(door_send_frame(f.a.door, 1, SPAN("without")), STATUS_OK);
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(door_send_frame(f.a.door, 2, SPAN("with")), STATUS_OK);
	run_until(f.loop, b_has_three, &f);
	assert_true(is_open(taker.fds[0]));
	assert_int_equal(taker.fds[1], -1);
	assert_true(is_open(taker.fds[2]));
	assert_int_not_equal(taker.fds[0], taker.fds[2]);
	close(taker.fds[0]);
	close(taker.fds[2]);
	end(&f);
}

static void a_descriptor_not_taken_or_not_sent_is_closed(void **state)
{
	struct fixture f;
	unsigned before = count_open();
	(void)state;
	begin(&f);
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(door_send_frame(f.a.door, 1, SPAN("not taken")), STATUS_OK);
	run_for(f.loop, 5);
	assert_int_equal(f.b.frames, 1);
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(door_send_frame(f.a.door, 1, SPAN("not sent")), STATUS_OK);
	door_attach_fd(f.a.door, open_null());
	end(&f);
	assert_int_equal(count_open(), before);
}

static void a_frame_that_only_says_it_has_a_descriptor_breaks_the_door(void **state)
{
	struct fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	send_bare(&f, bytes, make_frame(bytes, WITH_FD | 1, SPAN("none")));
	run_until(f.loop, a_is_closed, &f);
	assert_int_equal(f.a.frames, 0);
	end(&f);
}

/* Sends one byte with `count` copies of a descriptor. */
static void send_fds(struct fixture *f, char byte, size_t count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control };
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	*c = (struct cmsghdr){ CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	for (size_t i = 0; i < count; i++) {
		int fd = STDIN_FILENO;
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(f->bare, &message, 0), 1);
}

static void a_peer_that_throws_descriptors_at_us_loses_its_door_and_leaves_none(void **state)
{
	struct fixture f;
	unsigned before = count_open();
	(void)state;
	begin_bare(&f);
	send_fds(&f, 'x', 8);
	run_until(f.loop, a_is_closed, &f);
	end(&f);
	begin_bare(&f);
	for (int i = 0; i < 5; i++)
		send_fds(&f, '\0', 1);
	run_until(f.loop, a_is_closed, &f);
	end(&f);
	assert_int_equal(count_open(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_one_turn_go_out_in_one_write),
		cmocka_unit_test(a_frame_arrives_whole_and_byte_by_byte),
		cmocka_unit_test(many_frames_of_every_size_arrive_unharmed),
		cmocka_unit_test(the_largest_frame_goes_there_and_back),
		cmocka_unit_test(the_frames_before_a_hangup_are_still_handled),
		cmocka_unit_test(a_sender_of_bulk_is_told_when_to_go_on),
		cmocka_unit_test(a_peer_that_never_reads_breaks_the_door_at_its_maximum),
		cmocka_unit_test(an_oversized_frame_can_not_be_sent),
		cmocka_unit_test(a_length_past_the_maximum_breaks_the_door),
		cmocka_unit_test(a_refused_frame_breaks_the_door_before_the_next),
		cmocka_unit_test(a_door_may_be_freed_in_its_callbacks),
		cmocka_unit_test(a_descriptor_comes_with_its_frame_and_is_not_inherited),
		cmocka_unit_test(each_descriptor_finds_its_frame_among_others),
		cmocka_unit_test(a_descriptor_not_taken_or_not_sent_is_closed),
		cmocka_unit_test(a_frame_that_only_says_it_has_a_descriptor_breaks_the_door),
		cmocka_unit_test(a_peer_that_throws_descriptors_at_us_loses_its_door_and_leaves_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
