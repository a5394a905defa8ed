/* The gate's small parts by themselves: the registry of what waits, the reply queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gate/registry.h"
#include "gate/replies.h"
#include "net/stream.h"

/* ---- registry */

static void what_is_registered_is_found_until_it_is_removed(void **state)
{
	struct registry *registry = NULL;
	struct registration nodes[1000] = { 0 };
	char owners[1000];
	(void)state;
	assert_int_equal(registry_create(10, &registry), STATUS_OK);
	for (size_t i = 0; i < 1000; i++)
		registry_add(registry, &nodes[i], i + 1, (struct session *)&owners[i]);
	for (size_t i = 0; i < 1000; i += 3)
		registry_remove(registry, &nodes[i]);
	registry_remove(registry, &nodes[0]); /* once more: nothing */
	for (size_t i = 0; i < 1000; i++)
		assert_ptr_equal(registry_find(registry, i + 1), i % 3 ? (void *)&owners[i] : NULL);
	assert_null(registry_find(registry, 0));
	assert_null(registry_find(registry, 1001));
	registry_free(&registry);
}

/* ---- replies: a stream that is never run keeps what was written to it */

struct wire {
	struct loop *loop;
	struct stream *stream;
	struct replies replies;
	int peer;
};

static void ignore_event(void *context, struct stream *stream, enum stream_event event)
{
	(void)context;
	(void)stream;
	(void)event;
}

static int open_wire(void **state)
{
	static struct wire wire;
	int fds[2];
	struct stream_options options = { .input_maximum = 64, .output_maximum = 200, .on_event = ignore_event };
	assert_int_equal(loop_create(&wire.loop), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(stream_create(wire.loop, fds[0], &options, &wire.stream), STATUS_OK);
	wire.peer = fds[1];
	replies_init(&wire.replies, wire.stream);
	*state = &wire;
	return 0;
}

static int close_wire(void **state)
{
	struct wire *wire = *state;
	replies_free(&wire->replies);
	stream_free(&wire->stream);
	loop_free(wire->loop);
	close(wire->peer);
	return 0;
}

static void replies_are_written_at_once_when_none_waits(void **state)
{
	struct wire *wire = *state;
	assert_int_equal(replies_push(&wire->replies, SPAN("250 2.0.0 one")), STATUS_OK);
	assert_int_equal(stream_backlog(wire->stream), strlen("250 2.0.0 one\r\n"));
	assert_int_equal(wire->replies.count, 0);
}

static void what_comes_after_a_waiting_reply_waits_for_it(void **state)
{
	struct wire *wire = *state;
	assert_int_equal(replies_push_waiting(&wire->replies), STATUS_OK);
	assert_int_equal(replies_push(&wire->replies, SPAN("250 2.0.0 b")), STATUS_OK);
	assert_int_equal(replies_push_waiting(&wire->replies), STATUS_OK);
	assert_int_equal(replies_push(&wire->replies, SPAN("250 2.0.0 d")), STATUS_OK);
	assert_int_equal(stream_backlog(wire->stream), 0);
	assert_int_equal(replies_fill(&wire->replies, SPAN("250 2.0.0 a")), STATUS_OK);
	assert_int_equal(stream_backlog(wire->stream), 2 * strlen("250 2.0.0 a\r\n"));
	assert_int_equal(wire->replies.waiting, 1);
	assert_int_equal(replies_fill_all(&wire->replies, SPAN("451 4.3.0 c")), STATUS_OK);
	assert_int_equal(stream_backlog(wire->stream), 4 * strlen("250 2.0.0 a\r\n"));
	assert_int_equal(wire->replies.count, 0);
}

static void a_client_that_is_gone_hears_nothing(void **state)
{
	struct wire *wire = *state;
	assert_int_equal(replies_push_waiting(&wire->replies), STATUS_OK);
	wire->replies.stream = NULL;
	assert_int_equal(replies_push(&wire->replies, SPAN("250 2.0.0 b")), STATUS_OK);
	assert_int_equal(replies_fill(&wire->replies, SPAN("250 2.0.0 a")), STATUS_OK);
	assert_int_equal(stream_backlog(wire->stream), 0);
}

static void a_reply_that_finds_no_room_says_so(void **state)
{
	struct wire *wire = *state;
	char text[300];
	memset(text, 'x', sizeof(text));
	memcpy(text, "250 2.0.0 ", 10);
	assert_int_equal(replies_push(&wire->replies, (struct span){ text, sizeof(text) }), STATUS_TOO_LARGE);
}

#define ON_WIRE(test) cmocka_unit_test_setup_teardown(test, open_wire, close_wire)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_registered_is_found_until_it_is_removed),
		ON_WIRE(replies_are_written_at_once_when_none_waits),
		ON_WIRE(what_comes_after_a_waiting_reply_waits_for_it),
		ON_WIRE(a_client_that_is_gone_hears_nothing),
		ON_WIRE(a_reply_that_finds_no_room_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
