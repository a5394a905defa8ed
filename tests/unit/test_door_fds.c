/* Doors: descriptors on their way with a frame. */
#include <fcntl.h>

#include "tests/unit/door_fixture.h"

#define WITH_FD 0x8000 /* of the type: a descriptor belongs to it */

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
	return ((struct doors_fixture *)context)->b.frames == 3;
}

static void a_descriptor_comes_with_its_frame_and_is_not_inherited(void **state)
{
	struct doors_fixture f;
	(void)state;
	begin_doors(&f);
	f.b.takes = true;
	unsigned before = count_open();
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(send_frame(f.a.door, 9, SPAN("with")), STATUS_OK);
	run_for(f.loop, 5);
	assert_int_equal(f.b.last_type, 9);
	assert_int_equal(count_open(), before + 1);
	assert_true(is_open(f.b.taken));
	assert_true(fcntl(f.b.taken, F_GETFD) & FD_CLOEXEC);
	close(f.b.taken);
	end_doors(&f);
}

struct taker {
	struct doors_fixture *f;
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
	struct doors_fixture f;
	struct taker taker = { .f = &f };
	(void)state;
	begin_bare(&f);
	assert_int_equal(door_create(f.loop, f.bare, &taking, &taker, &f.b.door), STATUS_OK);
	f.bare = -1;
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(send_frame(f.a.door, 0, SPAN("with")), STATUS_OK);
	assert_int_equal(send_frame(f.a.door, 1, SPAN("without")), STATUS_OK);
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(send_frame(f.a.door, 2, SPAN("with")), STATUS_OK);
	run_until(f.loop, b_has_three, &f);
	assert_true(is_open(taker.fds[0]));
	assert_int_equal(taker.fds[1], -1);
	assert_true(is_open(taker.fds[2]));
	assert_int_not_equal(taker.fds[0], taker.fds[2]);
	close(taker.fds[0]);
	close(taker.fds[2]);
	end_doors(&f);
}

static void what_goes_through_waits_behind_a_descriptor(void **state)
{
	struct doors_fixture f;
	(void)state;
	begin_doors(&f);
	f.b.takes = true;
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(send_frame(f.a.door, 1, SPAN("with")), STATUS_OK);
	enum status written = buf_append(door_payload(f.a.door), SPAN("he"));
	assert_int_equal(door_send_through(f.a.door, 2, written, SPAN("rest")), STATUS_OK);
	assert_int_equal(door_backlog(f.a.door), 2 * HEADER + 4 + 6);
	f.b.taken = -1;
	run_for(f.loop, 5);
	assert_int_equal(f.b.frames, 2);
	assert_int_equal(f.b.last_size, 6);
	assert_int_equal(f.b.closed, 0);
	end_doors(&f);
}

static void a_descriptor_not_taken_or_not_sent_is_closed(void **state)
{
	struct doors_fixture f;
	unsigned before = count_open();
	(void)state;
	begin_doors(&f);
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(send_frame(f.a.door, 1, SPAN("not taken")), STATUS_OK);
	run_for(f.loop, 5);
	assert_int_equal(f.b.frames, 1);
	door_attach_fd(f.a.door, open_null());
	assert_int_equal(send_frame(f.a.door, 1, SPAN("not sent")), STATUS_OK);
	door_attach_fd(f.a.door, open_null());
	end_doors(&f);
	assert_int_equal(count_open(), before);
}

static void a_frame_that_only_says_it_has_a_descriptor_breaks_the_door(void **state)
{
	struct doors_fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	send_bare(&f, bytes, make_frame(bytes, WITH_FD | 1, SPAN("none")));
	run_until(f.loop, a_is_closed, &f);
	assert_int_equal(f.a.frames, 0);
	end_doors(&f);
}

/* Sends one byte with `count` copies of a descriptor. */
static void send_fds(struct doors_fixture *f, char byte, size_t count)
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
	struct doors_fixture f;
	unsigned before = count_open();
	(void)state;
	begin_bare(&f);
	send_fds(&f, 'x', 8);
	run_until(f.loop, a_is_closed, &f);
	end_doors(&f);
	begin_bare(&f);
	for (int i = 0; i < 5; i++)
		send_fds(&f, '\0', 1);
	run_until(f.loop, a_is_closed, &f);
	end_doors(&f);
	assert_int_equal(count_open(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_comes_with_its_frame_and_is_not_inherited),
		cmocka_unit_test(each_descriptor_finds_its_frame_among_others),
		cmocka_unit_test(what_goes_through_waits_behind_a_descriptor),
		cmocka_unit_test(a_descriptor_not_taken_or_not_sent_is_closed),
		cmocka_unit_test(a_frame_that_only_says_it_has_a_descriptor_breaks_the_door),
		cmocka_unit_test(a_peer_that_throws_descriptors_at_us_loses_its_door_and_leaves_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
