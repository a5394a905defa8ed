/* Messages in chunks through the gate: BDAT (RFC 3030) where it fits, where it does not, and where its sizes lie. */
#include "gate_mail.h"

#define CHUNK_OK "250 2.0.0 Chunk received\r\n"
#define NO_MAIL "503 5.5.1 Send MAIL first\r\n"
#define TOO_LARGE "552 5.3.4 Message too large: at most 1048576 bytes are taken\r\n" /* the largest size at start */
#define STRAY "554 5.6.0 The message has a carriage return without a line feed, or a NUL byte\r\n"
#define CUT_OFF                                    \
	"501 5.5.4 Syntax: BDAT octets [LAST]\r\n" \
	"421 4.7.0 What follows can't be told from commands, closing the connection\r\n"

/* One write: the command and its octets. */
static void say_octets(struct client *c, struct span octets, bool is_last)
{
	struct buf text BUF_AUTO;
	buf_init(&text, BIG_MAXIMUM);
	assert_int_equal(buf_printf(&text, "BDAT %zu%s\r\n", octets.size, is_last ? " LAST" : ""), STATUS_OK);
	assert_int_equal(buf_append(&text, octets), STATUS_OK);
	assert_int_equal(stream_write(c->stream, buf_span(&text)), STATUS_OK);
}

static void say_chunk(struct client *c, const char *octets)
{
	say_octets(c, span_of(octets), false);
}

static void say_last(struct client *c, const char *octets)
{
	say_octets(c, span_of(octets), true);
}

static void expect_nothing_was_sent(void)
{
	world_turn_for(10);
	assert_false(was_traced("COMPLETE"));
}

/* ---- chunks that fit */

static void chunks_become_one_message(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	say_chunk(&c, "From: Alice <alice@ex");
	HEARS(&c, CHUNK_OK);
	say_chunk(&c, "ample.com>\r\nMessage-ID: <m1@pc.local>\r\n\r\nHello\r");
	HEARS(&c, CHUNK_OK);
	say_chunk(&c, "");
	HEARS(&c, CHUNK_OK);
	say_chunk(&c, "\n.\r\n..two\nthree\n");
	HEARS(&c, CHUNK_OK);
	say_last(&c, ".four");
	HEARS(&c, SENT);
	assert_true(was_traced("COMPLETE from=alice@example.com id=<m1@pc.local>\n"));
	expect_message_ends_with("\r\n\r\nHello\r\n..\r\n...two\r\nthree\r\n..four\r\n");
	client_close(&c);
}

static void a_transaction_in_one_write_goes_byte_by_byte_too(void **state)
{
	(void)state;
	for (unsigned dripping = 0; dripping < 2; dripping++) {
		struct client c;
		buf_clear(&world.message);
		client_logged_in(&c);
		(dripping ? client_drip : client_say)(&c, MAIL RCPT "BDAT 32\r\nFrom: alice@example.com\r\n\r\nHi!\r\n"
								    "BDAT 0 LAST\r\n" MAIL RCPT
								    "bdat 6 last\r\n\r\nHo!\nQUIT\r\n");
		HEARS(&c, SENDER_OK RCPT_OK CHUNK_OK SENT SENDER_OK RCPT_OK SENT "221 2.0.0 Goodbye\r\n");
		expect_message_ends_with("\r\n\r\nHo!\r\n");
		client_close(&c);
	}
}

static void what_would_end_data_is_text_and_hides_no_command(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	say_last(&c, HEADER "\r\nx\r\n.\r\nMAIL FROM:<mallory@example.com>\r\n\n.\nRSET\r\n.\r\n");
	HEARS(&c, SENT);
	expect_message_ends_with("x\r\n..\r\nMAIL FROM:<mallory@example.com>\r\n\r\n..\r\nRSET\r\n..\r\n");
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	client_close(&c);
}

static void three_mebibytes_in_chunks_arrive_as_they_were_sent(void **state)
{
	struct client c;
	struct buf body;
	(void)state;
	buf_init(&body, BIG_MAXIMUM);
	client_begins_mail(&c);
	world.config.limits.message_size = 8U << 20;
	say_chunk(&c, HEADER "\r\n");
	HEARS(&c, CHUNK_OK);
	while (buf_size(&body) < 3U << 20)
		assert_int_equal(buf_printf(&body, "%zu gr\xc3\xbc\xc3\x9f\x65 of many lines\r\n", buf_size(&body)),
				 STATUS_OK);
	say_octets(&c, buf_span(&body), false);
	HEARS(&c, CHUNK_OK);
	say_last(&c, "");
	HEARS(&c, SENT);
	struct span message = buf_span(&world.message);
	message = span_slice(message, message.size - buf_size(&body), message.size);
	assert_true(span_equal(message, buf_span(&body)));
	buf_free(&body);
	client_close(&c);
}

/* ---- between chunks */

static void between_chunks_only_what_does_no_harm_is_taken(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	say_chunk(&c, HEADER "\r\n");
	HEARS(&c, CHUNK_OK);
	client_say(&c, "DATA\r\n");
	HEARS(&c, "503 5.5.1 The message has begun: only BDAT or RSET may follow\r\n");
	client_say(&c, RCPT MAIL "NOOP\r\n");
	HEARS(&c, "503 5.5.1 The message has begun: only BDAT or RSET may follow\r\n"
		  "503 5.5.1 Not within a mail transaction\r\n250 2.0.0 OK\r\n");
	say_last(&c, "Hello\r\n");
	HEARS(&c, SENT);
	client_close(&c);
}

static void rset_between_chunks_forgets_the_message(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	say_chunk(&c, HEADER "\r\none\r\n");
	client_say(&c, "RSET\r\n");
	HEARS(&c, CHUNK_OK "250 2.0.0 Reset\r\n");
	say_last(&c, "two\r\n");
	HEARS(&c, NO_MAIL);
	RUN_UNTIL(was_traced("ABORTED"));
	expect_nothing_was_sent();
	client_close(&c);
}

static void the_relay_may_refuse_between_chunks(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	say_chunk(&c, HEADER "\r\nHello\r\n");
	HEARS(&c, CHUNK_OK);
	relay_answer_message(world.relay.last, "452 4.3.1 The spool is full, please try again later");
	world_turn_for(10);
	say_chunk(&c, "more\r\n");
	say_last(&c, "and more\r\n");
	HEARS(&c, "452 4.3.1 The spool is full, please try again later\r\n" NO_MAIL);
	expect_nothing_was_sent();
	client_close(&c);
}

static void a_relay_lost_between_chunks_is_told_at_the_next_one(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	say_chunk(&c, HEADER "\r\nHello\r\n");
	HEARS(&c, CHUNK_OK);
	door_free(&world.relay.door);
	world_turn_for(10);
	say_last(&c, "more\r\n");
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, the message was not sent, please try again\r\n"
		  "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	client_close(&c);
}

static void a_client_that_vanishes_within_a_chunk_sends_nothing(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	client_say(&c, "BDAT 1000 LAST\r\n" HEADER "\r\nHello\r\n");
	world_turn_for(10);
	client_close(&c);
	RUN_UNTIL(was_traced("ABORTED"));
	expect_nothing_was_sent();
}

static void a_client_silent_within_a_chunk_is_closed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.data_timeout = 100;
	client_begins_mail(&c);
	client_say(&c, "BDAT 1000 LAST\r\n" HEADER "\r\nHello\r\n");
	HEARS(&c, "421 4.4.2 Idle for too long, closing the connection\r\n");
	expect_nothing_was_sent();
	client_close(&c);
}

/* ---- chunks that are refused: their octets are no commands */

static void without_login_or_transaction_the_octets_are_dropped(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	say_last(&c, "EHLO evil\r\n");
	HEARS(&c, "530 5.7.0 Authentication required\r\n");
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN") "235 2.7.0 Welcome\r\n");
	say_last(&c, MAIL RCPT "DATA\r\n");
	HEARS(&c, NO_MAIL);
	client_say(&c, MAIL);
	say_last(&c, RCPT "DATA\r\n");
	HEARS(&c, "250 2.1.0 Sender accepted\r\n503 5.5.1 Send RCPT first\r\n");
	client_say(&c, "RCPT TO:<bad@example.net>\r\n");
	say_last(&c, RCPT "DATA\r\n");
	HEARS(&c, "550 5.1.1 No such user\r\n554 5.5.1 No valid recipients\r\n");
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	client_close(&c);
}

static void strangers_chunks_are_errors(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 2;
	client_greeted(&c);
	client_say(&c, "BDAT 1\r\nxBDAT 1\r\nx");
	HEARS(&c, "530 5.7.0 Authentication required\r\n530 5.7.0 Authentication required\r\n"
		  "421 4.7.0 Too many errors, closing the connection\r\n");
	client_close(&c);
}

static void chunks_pipelined_after_a_refusal_are_dropped_and_no_errors(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 3;
	client_begins_mail(&c);
	say_chunk(&c, "a\rb");
	for (unsigned i = 0; i < 5; i++)
		say_chunk(&c, "RSET\r\n");
	client_say(&c, MAIL);
	HEARS(&c, STRAY NO_MAIL NO_MAIL NO_MAIL NO_MAIL NO_MAIL "250 2.1.0 Sender accepted\r\n");
	client_close(&c);
}

static void stray_bytes_are_refused_also_where_chunks_meet(void **state)
{
	static const struct {
		struct span first, last;
	} cases[] = {
		{ SPAN(HEADER "\r\na\r"), SPAN("b\r\n") }, { SPAN(HEADER "\r\na\r"), SPAN("") },
		{ SPAN(HEADER "\r\na\r"), SPAN("\r\n") },  { SPAN(HEADER "\r\na"), SPAN("\0\r\n") },
		{ SPAN(HEADER "\r\na"), SPAN("\rb\r\n") },
	};
	struct client c;
	(void)state;
	client_logged_in(&c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_say(&c, MAIL RCPT);
		say_octets(&c, cases[i].first, false);
		say_octets(&c, cases[i].last, true);
		HEARS(&c, SENDER_OK RCPT_OK CHUNK_OK STRAY);
	}
	expect_nothing_was_sent();
	client_close(&c);
}

static void what_a_message_may_not_say_is_refused_with_its_chunk(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	say_last(&c, "From: mallory@example.org\r\n\r\nHello\r\n");
	HEARS(&c, "550 5.7.1 The From: address <mallory@example.org> is not one of yours\r\n");
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	expect_nothing_was_sent();
	client_close(&c);
}

/* ---- sizes that lie */

static void more_octets_than_a_message_may_have_are_dropped(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	client_say(&c, "BDAT 1048577 LAST\r\n");
	for (unsigned i = 0; i < 1048576 / 8; i++)
		client_say(&c, "NOOP. \r\n");
	world_turn_for(10);
	assert_int_equal(buf_size(&c.heard), 0);
	client_say(&c, "xNOOP\r\n");
	HEARS(&c, TOO_LARGE "250 2.0.0 OK\r\n");
	assert_int_equal(buf_size(&world.message), 0);
	expect_nothing_was_sent();
	client_close(&c);
}

static void chunks_that_are_too_large_together_are_refused(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	world.config.limits.message_size = 200;
	say_chunk(&c, HEADER "\r\n");
	say_last(&c, "a line of forty bytes and not one more\r\na line of forty bytes and not one more\r\n"
		     "a line of forty bytes and not one more\r\n");
	HEARS(&c, CHUNK_OK TOO_LARGE);
	client_say(&c, MAIL RCPT);
	say_last(&c,
		 "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
		 "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
		 "\n");
	HEARS(&c, SENDER_OK RCPT_OK TOO_LARGE);
	expect_nothing_was_sent();
	client_close(&c);
}

static void the_largest_number_is_waited_for_and_not_believed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.data_timeout = 100;
	client_begins_mail(&c);
	client_say(&c, "BDAT 18446744073709551615 LAST\r\n" HEADER "\r\nHello\r\n.\r\nQUIT\r\n");
	HEARS(&c, "421 4.4.2 Idle for too long, closing the connection\r\n");
	expect_nothing_was_sent();
	client_close(&c);
}

static void a_size_that_is_no_number_ends_the_connection(void **state)
{
	static const char *const sizes[] = {
		"", " LAST", " -1 LAST", " 1x LAST", " 18446744073709551616 LAST", " 1 FIRST", " 1 2 LAST"
	};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct client c;
		char line[64];
		snprintf(line, sizeof(line), "BDAT%s\r\n", sizes[i]);
		client_begins_mail(&c);
		client_say(&c, line);
		client_say(&c, "QUIT\r\n");
		HEARS(&c, CUT_OFF);
		client_hears_no_more(&c);
		client_close(&c);
	}
	RUN_UNTIL(was_traced("SESSION_CLOSED unreadable BDAT\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(chunks_become_one_message),
		IN_WORLD(a_transaction_in_one_write_goes_byte_by_byte_too),
		IN_WORLD(what_would_end_data_is_text_and_hides_no_command),
		IN_WORLD(three_mebibytes_in_chunks_arrive_as_they_were_sent),
		IN_WORLD(between_chunks_only_what_does_no_harm_is_taken),
		IN_WORLD(rset_between_chunks_forgets_the_message),
		IN_WORLD(the_relay_may_refuse_between_chunks),
		IN_WORLD(a_relay_lost_between_chunks_is_told_at_the_next_one),
		IN_WORLD(a_client_that_vanishes_within_a_chunk_sends_nothing),
		IN_WORLD(a_client_silent_within_a_chunk_is_closed),
		IN_WORLD(without_login_or_transaction_the_octets_are_dropped),
		IN_WORLD(strangers_chunks_are_errors),
		IN_WORLD(chunks_pipelined_after_a_refusal_are_dropped_and_no_errors),
		IN_WORLD(stray_bytes_are_refused_also_where_chunks_meet),
		IN_WORLD(what_a_message_may_not_say_is_refused_with_its_chunk),
		IN_WORLD(more_octets_than_a_message_may_have_are_dropped),
		IN_WORLD(chunks_that_are_too_large_together_are_refused),
		IN_WORLD(the_largest_number_is_waited_for_and_not_believed),
		IN_WORLD(a_size_that_is_no_number_ends_the_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
