/* Streams without TLS: what their owner is told, and when. */
#include "with_loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"

#define SMALL 64         /* bytes of an input buffer that fills at once */
#define LARGE (4U << 20) /* bytes: more than a socket holds */

/* A stream, its peer's bare descriptor, and what the stream told. */
struct fixture {
	struct loop *loop;
	int peer;
	struct stream *stream;
	unsigned told[STREAM_FAILED + 1];
	enum stream_event last;
	enum stream_event free_at; /* frees itself when told this */
	bool frees;
	unsigned gone;
	char last_words[SMALL];
};

static void note(void *context, struct stream *stream, enum stream_event event)
{
	struct fixture *f = context;
	f->told[event]++;
	f->last = event;
	struct span input = buf_span(stream_input(stream));
	if (event == STREAM_INPUT && input.size < sizeof(f->last_words))
		memcpy(f->last_words, input.data, input.size);
	if (f->frees && event == f->free_at)
		stream_free(&f->stream);
}

static void note_gone(void *context)
{
	((struct fixture *)context)->gone++;
}

static struct stream_options options_of(struct fixture *f, size_t input, size_t output)
{
	return (struct stream_options){
		.input_maximum = input,
		.output_maximum = output,
		.on_event = note,
		.context = f,
		.on_gone = note_gone,
		.gone_context = f,
	};
}

static void begin_with(struct fixture *f, size_t input, size_t output)
{
	int fds[2];
	*f = (struct fixture){ 0 };
	struct stream_options options = options_of(f, input, output);
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->peer = fds[1];
	assert_int_equal(stream_create(f->loop, fds[0], &options, &f->stream), STATUS_OK);
}

static void begin(struct fixture *f)
{
	begin_with(f, 1024, 1024);
}

static void end(struct fixture *f)
{
	stream_free(&f->stream);
	if (f->peer >= 0)
		close(f->peer);
	loop_free(f->loop);
}

static void send_text(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->peer, text, strlen(text), 0), strlen(text));
}

static size_t receive_all(struct fixture *f)
{
	static char sink[65536];
	size_t total = 0;
	ssize_t got;
	while ((got = recv(f->peer, sink, sizeof(sink), 0)) > 0)
		total += (size_t)got;
	return total;
}

static void hang_up(struct fixture *f)
{
	close(f->peer);
	f->peer = -1;
}

static bool got_input(void *context)
{
	return ((struct fixture *)context)->told[STREAM_INPUT] > 0;
}

static bool got_end(void *context)
{
	return ((struct fixture *)context)->told[STREAM_ENDED] > 0;
}

static bool got_failure(void *context)
{
	return ((struct fixture *)context)->told[STREAM_FAILED] > 0;
}

static bool got_drained(void *context)
{
	return ((struct fixture *)context)->told[STREAM_DRAINED] > 0;
}

static bool got_timeout(void *context)
{
	return ((struct fixture *)context)->told[STREAM_TIMEOUT] > 0;
}

static void assert_input(struct fixture *f, const char *text)
{
	assert_true(span_equal(buf_span(stream_input(f->stream)), span_of(text)));
}

/* ---- input */

static void input_is_told_and_stays_until_consumed(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	send_text(&f, "EHLO a\r\n");
	run_until(f.loop, got_input, &f);
	assert_input(&f, "EHLO a\r\n");
	buf_consume(stream_input(f.stream), 5);
	run_for(f.loop, 5);
	assert_input(&f, "a\r\n");
	assert_int_equal(f.told[STREAM_INPUT], 1);
	end(&f);
}

/* Its owner need not wait for the loop to know what is there. */
static void what_has_come_can_be_fetched_at_once(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_false(stream_fetch(f.stream));
	send_text(&f, "here already");
	assert_true(stream_fetch(f.stream));
	assert_input(&f, "here already");
	assert_int_equal(f.told[STREAM_INPUT], 0);
	buf_clear(stream_input(f.stream));
	send_text(&f, "and the rest");
	hang_up(&f);
	assert_true(stream_fetch(f.stream));
	buf_clear(stream_input(f.stream));
	assert_false(stream_fetch(f.stream));
	run_until(f.loop, got_end, &f); /* told as ever */
	assert_false(stream_fetch(f.stream));
	end(&f);
}

static void a_full_input_rests_and_goes_on_by_itself(void **state)
{
	struct fixture f;
	char many[3 * SMALL];
	(void)state;
	begin_with(&f, SMALL, SMALL);
	memset(many, 'x', sizeof(many));
	assert_int_equal(send(f.peer, many, sizeof(many), 0), sizeof(many));
	struct buf *input = stream_input(f.stream);
	run_for(f.loop, 20);
	assert_int_equal(buf_size(input), SMALL);
	assert_int_equal(f.told[STREAM_INPUT], 1);
	/* Consumed outside of any call of the stream's: it finds out by itself. */
	buf_consume(input, SMALL);
	run_for(f.loop, 20);
	assert_int_equal(buf_size(input), SMALL);
	buf_consume(input, SMALL);
	run_for(f.loop, 20);
	assert_int_equal(buf_size(input), SMALL);
	assert_int_equal(f.told[STREAM_INPUT], 3);
	end(&f);
}

static void a_paused_stream_reads_nothing(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	stream_pause(f.stream);
	send_text(&f, "DATA\r\n");
	run_for(f.loop, 20);
	assert_int_equal(f.told[STREAM_INPUT], 0);
	stream_resume(f.stream);
	run_until(f.loop, got_input, &f);
	assert_input(&f, "DATA\r\n");
	end(&f);
}

static void the_end_comes_behind_the_last_input(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	send_text(&f, "QUIT\r\n");
	hang_up(&f);
	run_until(f.loop, got_end, &f);
	assert_int_equal(f.told[STREAM_INPUT], 1);
	assert_input(&f, "QUIT\r\n");
	run_for(f.loop, 5);
	assert_int_equal(f.told[STREAM_ENDED], 1);
	end(&f);
}

static void an_empty_input_holds_no_memory(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	send_text(&f, "NOOP\r\n");
	run_until(f.loop, got_input, &f);
	buf_consume(stream_input(f.stream), 6);
	assert_null(stream_input(f.stream)->data);
	end(&f);
}

/* ---- output */

static void what_is_written_in_a_turn_goes_out_once_at_its_end(void **state)
{
	struct fixture f;
	char text[16];
	(void)state;
	begin(&f);
	assert_int_equal(stream_write(f.stream, SPAN("250-a\r\n")), STATUS_OK);
	assert_int_equal(stream_write(f.stream, SPAN("250 b\r\n")), STATUS_OK);
	assert_int_equal(recv(f.peer, text, sizeof(text), 0), -1);
	assert_int_equal(stream_backlog(f.stream), 14);
	run_for(f.loop, 5);
	assert_int_equal(recv(f.peer, text, sizeof(text), 0), 14);
	assert_int_equal(stream_backlog(f.stream), 0);
	end(&f);
}

static void output_past_the_maximum_is_refused_whole(void **state)
{
	struct fixture f;
	(void)state;
	begin_with(&f, SMALL, 8);
	assert_int_equal(stream_write(f.stream, SPAN("12345")), STATUS_OK);
	assert_int_equal(stream_write(f.stream, SPAN("6789")), STATUS_TOO_LARGE);
	run_for(f.loop, 5);
	assert_int_equal(receive_all(&f), 5);
	end(&f);
}

static void a_backed_up_stream_tells_once_when_it_is_drained(void **state)
{
	struct fixture f;
	char *much = calloc(1, LARGE);
	size_t total = 0;
	(void)state;
	begin_with(&f, SMALL, LARGE);
	assert_int_equal(stream_write(f.stream, (struct span){ much, LARGE }), STATUS_OK);
	run_for(f.loop, 5);
	assert_int_equal(f.told[STREAM_DRAINED], 0);
	assert_true(stream_backlog(f.stream) > 0);
	while (total < LARGE) {
		total += receive_all(&f);
		run_for(f.loop, 1);
	}
	assert_int_equal(total, LARGE);
	assert_int_equal(f.told[STREAM_DRAINED], 1);
	free(much);
	end(&f);
}

static void a_wanted_drain_is_told_even_with_nothing_queued(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	stream_want_drained(f.stream);
	assert_int_equal(f.told[STREAM_DRAINED], 0);
	run_until(f.loop, got_drained, &f);
	run_for(f.loop, 5);
	assert_int_equal(f.told[STREAM_DRAINED], 1);
	end(&f);
}

static void the_last_words_of_a_peer_that_hung_up_come_before_the_failure(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	stream_pause(f.stream);
	run_for(f.loop, 2);
	send_text(&f, "421 bye\r\n");
	hang_up(&f);
	stream_resume(f.stream);
	assert_int_equal(stream_write(f.stream, SPAN("RSET\r\n")), STATUS_OK);
	run_until(f.loop, got_failure, &f);
	assert_string_equal(f.last_words, "421 bye\r\n");
	assert_string_equal(stream_error(f.stream), "Broken pipe");
	assert_int_equal(stream_write(f.stream, SPAN("x")), STATUS_UNAVAILABLE);
	end(&f);
}

/* ---- ends */

static void a_stream_may_be_freed_in_any_of_its_callbacks(void **state)
{
	static const enum stream_event events[] = { STREAM_INPUT, STREAM_DRAINED, STREAM_TIMEOUT, STREAM_ENDED };
	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct fixture f;
		begin(&f);
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
		end(&f);
	}
}

static void finish_hands_everything_over_and_waits_for_the_peers_end(void **state)
{
	struct fixture f;
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
	end(&f);
}

static void finish_ends_at_its_limit_when_the_peer_reads_nothing(void **state)
{
	struct fixture f;
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
	end(&f);
}

static void a_loop_at_its_end_waits_for_streams_being_finished(void **state)
{
	struct fixture f;
	char byte;
	(void)state;
	begin(&f);
	assert_int_equal(stream_write(f.stream, SPAN("x")), STATUS_OK);
	stream_finish(&f.stream, 30);
	uint64_t began = loop_now_ms(f.loop);
	loop_finish(f.loop, PATIENCE_MS);
	assert_true(loop_now_ms(f.loop) - began >= 29);
	assert_int_equal(recv(f.peer, &byte, 1, 0), 1);
	assert_int_equal(recv(f.peer, &byte, 1, 0), 0);
	end(&f);
}

static void a_loop_at_its_end_waits_no_longer_than_it_is_told(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	stream_finish(&f.stream, PATIENCE_MS);
	uint64_t began = loop_now_ms(f.loop);
	loop_finish(f.loop, 20);
	assert_in_range(loop_now_ms(f.loop) - began, 19, PATIENCE_MS / 2);
	end(&f);
}

static void a_loop_that_is_freed_takes_streams_being_finished_with_it(void **state)
{
	struct fixture f;
	char byte;
	(void)state;
	begin(&f);
	stream_finish(&f.stream, PATIENCE_MS);
	loop_free(f.loop);
	assert_int_equal(recv(f.peer, &byte, 1, 0), 0);
	close(f.peer);
}

/* ---- deadlines */

static void a_deadline_that_is_moved_comes_once_and_later(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	uint64_t begun_ms = loop_now_ms(f.loop);
	stream_set_deadline(f.stream, 20);
	stream_set_deadline(f.stream, 60);
	run_until(f.loop, got_timeout, &f);
	assert_true(loop_now_ms(f.loop) - begun_ms >= 60);
	run_for(f.loop, 30);
	assert_int_equal(f.told[STREAM_TIMEOUT], 1);
	send_text(&f, "still open");
	run_until(f.loop, got_input, &f);
	end(&f);
}

static void a_deadline_may_be_moved_to_earlier_and_cleared(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	stream_set_deadline(f.stream, 5000);
	stream_set_deadline(f.stream, 5);
	run_for(f.loop, 30);
	assert_int_equal(f.told[STREAM_TIMEOUT], 1);
	stream_set_deadline(f.stream, 5);
	stream_set_deadline(f.stream, 0);
	run_for(f.loop, 30);
	assert_int_equal(f.told[STREAM_TIMEOUT], 1);
	end(&f);
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
	return ((struct fixture *)context)->told[STREAM_CONNECTED] > 0;
}

static void a_connect_is_told_and_what_was_written_before_follows(void **state)
{
	struct fixture f = { 0 };
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
	end(&f);
}

static void a_refused_connect_fails_with_its_reason_and_not_inside_the_call(void **state)
{
	struct fixture f = { .peer = -1 };
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
	end(&f);
}

static void a_connect_that_can_not_begin_fails_the_same_way(void **state)
{
	struct fixture f = { .peer = -1 };
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
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_is_told_and_stays_until_consumed),
		cmocka_unit_test(what_has_come_can_be_fetched_at_once),
		cmocka_unit_test(a_full_input_rests_and_goes_on_by_itself),
		cmocka_unit_test(a_paused_stream_reads_nothing),
		cmocka_unit_test(the_end_comes_behind_the_last_input),
		cmocka_unit_test(an_empty_input_holds_no_memory),
		cmocka_unit_test(what_is_written_in_a_turn_goes_out_once_at_its_end),
		cmocka_unit_test(output_past_the_maximum_is_refused_whole),
		cmocka_unit_test(a_backed_up_stream_tells_once_when_it_is_drained),
		cmocka_unit_test(a_wanted_drain_is_told_even_with_nothing_queued),
		cmocka_unit_test(the_last_words_of_a_peer_that_hung_up_come_before_the_failure),
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
