/* Streams without TLS: input and output. */
#include "with_stream.h"

/* ---- input */

static void input_is_told_and_stays_until_consumed(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	send_text(&f, "EHLO a\r\n");
	run_until(f.loop, got_input, &f);
	assert_input(&f, "EHLO a\r\n");
	buf_consume(stream_input(f.stream), 5);
	run_for(f.loop, 5);
	assert_input(&f, "a\r\n");
	assert_int_equal(f.told[STREAM_INPUT], 1);
	end_stream(&f);
}

/* Its owner need not wait for the loop to know what is there. */
static void what_has_come_can_be_fetched_at_once(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
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
	end_stream(&f);
}

/* Outside of a turn nothing has been noticed, and a look is taken as by stream_fetch. */
static void what_no_turn_has_looked_for_is_fetched_too(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	assert_false(stream_fetch_noticed(f.stream));
	run_for(f.loop, 5);
	send_text(&f, "since then");
	assert_true(stream_fetch_noticed(f.stream));
	assert_input(&f, "since then");
	end_stream(&f);
}

static void a_full_input_rests_and_goes_on_by_itself(void **state)
{
	struct stream_fixture f;
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
	end_stream(&f);
}

static void a_paused_stream_reads_nothing(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	stream_pause(f.stream);
	send_text(&f, "DATA\r\n");
	run_for(f.loop, 20);
	assert_int_equal(f.told[STREAM_INPUT], 0);
	stream_resume(f.stream);
	run_until(f.loop, got_input, &f);
	assert_input(&f, "DATA\r\n");
	end_stream(&f);
}

static void the_end_comes_after_the_last_input(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	send_text(&f, "QUIT\r\n");
	hang_up(&f);
	run_until(f.loop, got_end, &f);
	assert_int_equal(f.told[STREAM_INPUT], 1);
	assert_input(&f, "QUIT\r\n");
	run_for(f.loop, 5);
	assert_int_equal(f.told[STREAM_ENDED], 1);
	end_stream(&f);
}

static void an_empty_input_holds_no_memory(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	send_text(&f, "NOOP\r\n");
	run_until(f.loop, got_input, &f);
	buf_consume(stream_input(f.stream), 6);
	assert_null(stream_input(f.stream)->data);
	end_stream(&f);
}

/* ---- output */

static void what_is_written_in_a_turn_goes_out_once_at_its_end(void **state)
{
	struct stream_fixture f;
	char text[16];
	(void)state;
	begin_stream(&f);
	assert_int_equal(stream_write(f.stream, SPAN("250-a\r\n")), STATUS_OK);
	assert_int_equal(stream_write(f.stream, SPAN("250 b\r\n")), STATUS_OK);
	assert_int_equal(recv(f.peer, text, sizeof(text), 0), -1);
	assert_int_equal(stream_backlog(f.stream), 14);
	run_for(f.loop, 5);
	assert_int_equal(recv(f.peer, text, sizeof(text), 0), 14);
	assert_int_equal(stream_backlog(f.stream), 0);
	end_stream(&f);
}

static void a_large_piece_does_not_wait_for_the_turns_end(void **state)
{
	struct stream_fixture f;
	char *piece = calloc(1, LARGE);
	(void)state;
	begin_with(&f, SMALL, LARGE);
	assert_int_equal(stream_write(f.stream, SPAN("first")), STATUS_OK);
	assert_int_equal(stream_write(f.stream, (struct span){ piece, 65536 }), STATUS_OK);
	assert_int_equal(stream_backlog(f.stream), 5 + 65536); /* it queues after what is waiting */
	run_for(f.loop, 5);
	assert_int_equal(receive_all(&f), 5 + 65536);
	assert_int_equal(stream_write(f.stream, (struct span){ piece, 65536 }), STATUS_OK);
	assert_int_equal(stream_backlog(f.stream), 0);
	assert_int_equal(receive_all(&f), 65536);
	/* What the socket does not take is kept, and goes on by itself. */
	assert_int_equal(stream_write(f.stream, (struct span){ piece, LARGE }), STATUS_OK);
	assert_in_range(stream_backlog(f.stream), 1, LARGE - 1);
	free(piece);
	size_t got = 0;
	while (got < LARGE) {
		got += receive_all(&f);
		run_for(f.loop, 1);
	}
	assert_int_equal(got, LARGE);
	end_stream(&f);
}

static void a_large_piece_for_a_peer_that_is_gone_fails_at_the_turns_end(void **state)
{
	struct stream_fixture f;
	char *piece = calloc(1, 65536);
	(void)state;
	begin_with(&f, SMALL, LARGE);
	send_text(&f, "421 bye\r\n");
	hang_up(&f);
	assert_int_equal(stream_write(f.stream, (struct span){ piece, 65536 }), STATUS_OK);
	free(piece);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	run_until(f.loop, got_failure, &f);
	assert_int_equal(f.told[STREAM_INPUT], 1);
	assert_string_equal(f.last_words, "421 bye\r\n");
	end_stream(&f);
}

static void output_past_the_maximum_is_refused_whole(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_with(&f, SMALL, 8);
	assert_int_equal(stream_write(f.stream, SPAN("12345")), STATUS_OK);
	assert_int_equal(stream_write(f.stream, SPAN("6789")), STATUS_TOO_LARGE);
	run_for(f.loop, 5);
	assert_int_equal(receive_all(&f), 5);
	end_stream(&f);
}

static void a_backed_up_stream_tells_once_when_it_is_drained(void **state)
{
	struct stream_fixture f;
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
	end_stream(&f);
}

static void a_wanted_drain_is_told_even_with_nothing_queued(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
	stream_want_drained(f.stream);
	assert_int_equal(f.told[STREAM_DRAINED], 0);
	run_until(f.loop, got_drained, &f);
	run_for(f.loop, 5);
	assert_int_equal(f.told[STREAM_DRAINED], 1);
	end_stream(&f);
}

static void the_last_words_of_a_peer_that_hung_up_come_before_the_failure(void **state)
{
	struct stream_fixture f;
	(void)state;
	begin_stream(&f);
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
	end_stream(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_is_told_and_stays_until_consumed),
		cmocka_unit_test(what_has_come_can_be_fetched_at_once),
		cmocka_unit_test(what_no_turn_has_looked_for_is_fetched_too),
		cmocka_unit_test(a_full_input_rests_and_goes_on_by_itself),
		cmocka_unit_test(a_paused_stream_reads_nothing),
		cmocka_unit_test(the_end_comes_after_the_last_input),
		cmocka_unit_test(an_empty_input_holds_no_memory),
		cmocka_unit_test(what_is_written_in_a_turn_goes_out_once_at_its_end),
		cmocka_unit_test(a_large_piece_does_not_wait_for_the_turns_end),
		cmocka_unit_test(a_large_piece_for_a_peer_that_is_gone_fails_at_the_turns_end),
		cmocka_unit_test(output_past_the_maximum_is_refused_whole),
		cmocka_unit_test(a_backed_up_stream_tells_once_when_it_is_drained),
		cmocka_unit_test(a_wanted_drain_is_told_even_with_nothing_queued),
		cmocka_unit_test(the_last_words_of_a_peer_that_hung_up_come_before_the_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
