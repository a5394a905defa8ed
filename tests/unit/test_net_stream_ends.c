/* Streams without TLS: how they begin, what time does to them, and how they end. */
#include "with_stream.h"

#include <errno.h>
#include <netinet/in.h>

/* ---- ends */

static void a_stream_may_be_freed_in_any_of_its_callbacks(void **state)
{
	static const enum stream_event events[] = { STREAM_INPUT, STREAM_DRAINED, STREAM_TIMEOUT, STREAM_ENDED };
	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct stream_fixture f;
		begin_stream(&f);
		f.frees = true;
		f.free_at = events[i];
		stream_want_drained(f.stream);
		stream_set_deadline(f.stream, 5);
		if (events[i] == STREAM_INPUT)
			send_text(&f, "x");
		if (events[i] == STREAM_ENDED)
			hang_up(&f);
		run_for(f.loop, 20);
		assert_null(f.stream);
		assert_int_equal(f.last, events[i]);
		assert_int_equal(f.told[events[i]], 1);
		assert_int_equal(f.gone, 1);
		end_stream(&f);
	}
}

static void finish_hands_everything_over_and_waits_for_the_peers_end(void **state)
{
	struct stream_fixture f;
	char *much = calloc(1, LARGE);
	size_t total = 0;
	(void)state;
	begin_with(&f, SMALL, LARGE);
	assert_int_equal(stream_write(f.stream, (struct span){ much, LARGE }), STATUS_OK);
	stream_finish(&f.stream, PATIENCE_MS);
	assert_null(f.stream);
	while (total < LARGE) {
		total += receive_all(&f);
		run_for(f.loop, 1);
	}
	assert_int_equal(total, LARGE);
	assert_int_equal(recv(f.peer, much, 1, 0), 0);
	/* What the peer still says is read and dropped, so that nothing resets the connection. */
	send_text(&f, "QUIT\r\n");
	run_for(f.loop, 5);
	assert_int_equal(send(f.peer, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(f.gone, 0);
	shutdown(f.peer, SHUT_WR);
	run_for(f.loop, 5);
	assert_int_equal(send(f.peer, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(f.gone, 1);
	free(much);
	end_stream(&f);
}

static void finish_ends_at_its_limit_when_the_peer_reads_nothing(void **state)
{
	struct stream_fixture f;
	char *much = calloc(1, LARGE);
	(void)state;
	begin_with(&f, SMALL, LARGE);
	assert_int_equal(stream_write(f.stream, (struct span){ much, LARGE }), STATUS_OK);
	stream_finish(&f.stream, 200);
	run_for(f.loop, 10);
	assert_int_equal(send(f.peer, "x", 1, MSG_NOSIGNAL), 1);
	run_for(f.loop, 400);
	assert_int_equal(send(f.peer, "x", 1, MSG_NOSIGNAL), -1);
	free(much);
	end_stream(&f);
}

static void a_loop_at_its_end_waits_for_streams_being_finished(void **state)
{
	struct stream_fixture f;
	char byte;
	(void)state;
	begin_stream(&f);
	assert_int_equal(stream_write(f.stream, SPAN("x")), STATUS_OK);
	stream_finish(&f.stream, 30);
	uint64_t began = loop_now_ms(f.loop);
	loop_finish(f.loop, PATIENCE_MS);
	assert_true(loop_now_ms(f.loop) - began >= 29);
	assert_int_equal(recv(f.peer, &byte, 1, 0), 1);
	assert_int_equal(recv(f.peer, &byte, 1, 0), 0);
	end_stream(&f);
}

static void a_loop_at_its_end_waits_no_longer_than_it_is_told(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	stream_finish(&f.stream, PATIENCE_MS);
	uint64_t began = loop_now_ms(f.loop);
	loop_finish(f.loop, 20);
	assert_in_range(loop_now_ms(f.loop) - began, 19, PATIENCE_MS / 2);
	end_stream(&f);
}

static void a_loop_that_is_freed_takes_streams_being_finished_with_it(void **state)
{
	struct stream_fixture f;
	char byte;
	(void)state;
	begin_stream(&f);
	stream_finish(&f.stream, PATIENCE_MS);
	loop_free(f.loop);
	assert_int_equal(recv(f.peer, &byte, 1, 0), 0);
	close(f.peer);
}

/* ---- deadlines */

static void a_deadline_that_is_moved_comes_once_and_later(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	uint64_t begun_ms = loop_now_ms(f.loop);
	stream_set_deadline(f.stream, 20);
	stream_set_deadline(f.stream, 60);
	run_until(f.loop, got_timeout, &f);
	assert_true(loop_now_ms(f.loop) - begun_ms >= 60);
	run_for(f.loop, 30);
	assert_int_equal(f.told[STREAM_TIMEOUT], 1);
	send_text(&f, "still open");
	run_until(f.loop, got_input, &f);
	end_stream(&f);
}

static void a_deadline_may_be_moved_to_earlier_and_cleared(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	stream_set_deadline(f.stream, 5000);
	stream_set_deadline(f.stream, 5);
	run_for(f.loop, 30);
	assert_int_equal(f.told[STREAM_TIMEOUT], 1);
	stream_set_deadline(f.stream, 5);
	stream_set_deadline(f.stream, 0);
	run_for(f.loop, 30);
	assert_int_equal(f.told[STREAM_TIMEOUT], 1);
	end_stream(&f);
}

/* ---- connect */

static int listen_on_loopback(struct sockaddr_in *out_address)
{
	socklen_t size = sizeof(*out_address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	*out_address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)out_address, size), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)out_address, &size), 0);
	return fd;
}

static bool got_connection(void *context)
{
	return ((struct stream_fixture *)context)->told[STREAM_CONNECTED] > 0;
}

static void a_connect_is_told_and_what_was_written_before_follows(void **state)
{
	struct stream_fixture f = { 0 };
	struct sockaddr_in address;
	struct stream_options options = options_of(&f, SMALL, SMALL);
	char text[8];
	(void)state;
	assert_int_equal(loop_create(&f.loop), STATUS_OK);
	int listening = listen_on_loopback(&address);
	assert_int_equal(stream_connect(f.loop, (struct sockaddr *)&address, sizeof(address), &options, &f.stream),
			 STATUS_OK);
	assert_int_equal(stream_write(f.stream, SPAN("early")), STATUS_OK);
	run_until(f.loop, got_connection, &f);
	f.peer = accept(listening, NULL, NULL);
	assert_int_equal(recv(f.peer, text, sizeof(text), 0), 5);
	close(listening);
	end_stream(&f);
}

static void a_refused_connect_fails_with_its_reason_and_not_inside_the_call(void **state)
{
	struct stream_fixture f = { .peer = -1 };
	struct sockaddr_in address;
	struct stream_options options = options_of(&f, SMALL, SMALL);
	(void)state;
	assert_int_equal(loop_create(&f.loop), STATUS_OK);
	close(listen_on_loopback(&address));
	assert_int_equal(stream_connect(f.loop, (struct sockaddr *)&address, sizeof(address), &options, &f.stream),
			 STATUS_OK);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	run_until(f.loop, got_failure, &f);
	assert_string_equal(stream_error(f.stream), "Connection refused");
	assert_int_equal(f.told[STREAM_FAILED], 1);
	end_stream(&f);
}

static void a_connect_that_can_not_begin_fails_the_same_way(void **state)
{
	struct stream_fixture f = { .peer = -1 };
	/* TCP to the broadcast address: refused by connect(2) itself. */
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = 1, .sin_addr.s_addr = INADDR_BROADCAST };
	struct stream_options options = options_of(&f, SMALL, SMALL);
	(void)state;
	assert_int_equal(loop_create(&f.loop), STATUS_OK);
	assert_int_equal(stream_connect(f.loop, (struct sockaddr *)&address, sizeof(address), &options, &f.stream),
			 STATUS_OK);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	run_until(f.loop, got_failure, &f);
	assert_true(strlen(stream_error(f.stream)) > 0);
	end_stream(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_may_be_freed_in_any_of_its_callbacks),
		cmocka_unit_test(finish_hands_everything_over_and_waits_for_the_peers_end),
		cmocka_unit_test(finish_ends_at_its_limit_when_the_peer_reads_nothing),
		cmocka_unit_test(a_loop_at_its_end_waits_for_streams_being_finished),
		cmocka_unit_test(a_loop_at_its_end_waits_no_longer_than_it_is_told),
		cmocka_unit_test(a_loop_that_is_freed_takes_streams_being_finished_with_it),
		cmocka_unit_test(a_deadline_that_is_moved_comes_once_and_later),
		cmocka_unit_test(a_deadline_may_be_moved_to_earlier_and_cleared),
		cmocka_unit_test(a_connect_is_told_and_what_was_written_before_follows),
		cmocka_unit_test(a_refused_connect_fails_with_its_reason_and_not_inside_the_call),
		cmocka_unit_test(a_connect_that_can_not_begin_fails_the_same_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
