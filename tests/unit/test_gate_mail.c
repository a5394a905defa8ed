/* Mail through the gate: envelopes in batches, messages on their way, fields that are added. */
#include "gate_mail.h"

/* ---- the way of a message */

static void a_message_goes_through_whole_and_byte_by_byte(void **state)
{
	static const char *const says[] = { "EHLO pc.local\r\n",
					    "AUTH PLAIN good\r\n",
					    MAIL,
					    RCPT,
					    "RCPT TO:<bad@example.net>\r\n",
					    "DATA\r\n",
					    HEADER "\r\nHello\r\n..dot\r\n.\r\n",
					    "QUIT\r\n" };
	static const char *const answers[] = { OFFER("AUTH PLAIN LOGIN"),
					       "235 2.7.0 Welcome\r\n",
					       SENDER_OK,
					       RCPT_OK,
					       "550 5.1.1 No such user\r\n",
					       GO,
					       SENT,
					       "221 2.0.0 Goodbye\r\n" };
	(void)state;
	for (unsigned dripping = 0; dripping < 2; dripping++) {
		struct client c;
		buf_clear(&world.trace);
		buf_clear(&world.message);
		client_greeted(&c);
		for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
			(dripping ? client_drip : client_say)(&c, says[i]);
			HEARS(&c, answers[i]);
		}
		client_hears_no_more(&c);
		assert_true(was_traced("ENVELOPE from=<alice@example.com> parameters= size=0 to=<bob@example.net> "
				       "helo=pc.local\n"));
		assert_true(was_traced("to=<bad@example.net> helo="));
		assert_true(was_traced("COMPLETE from=alice@example.com id=<m1@pc.local>\n"));
		expect_message_starts_with("Received: by mail.example.com");
		expect_message_ends_with("\r\n" HEADER "\r\nHello\r\n..dot\r\n");
		assert_false(message_holds("127.0.0.1"));
		client_close(&c);
	}
}

static void pipelined_commands_travel_as_one_envelope(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, "MAIL FROM:<alice@example.com> BODY=8BITMIME SIZE=500\r\n" RCPT
		       "RCPT TO:<bad@example.net>\r\nRCPT TO:<carol@example.net>\r\nDATA\r\n");
	HEARS(&c, SENDER_OK RCPT_OK "550 5.1.1 No such user\r\n" RCPT_OK GO);
	assert_true(was_traced("ENVELOPE from=<alice@example.com> parameters=BODY=8BITMIME SIZE=500 size=500 "
			       "to=<bob@example.net><bad@example.net><carol@example.net> helo=pc.local\n"));
	client_say(&c, HEADER "\r\nHello\r\n.\r\nNOOP\r\n" MAIL RCPT "DATA\r\n");
	HEARS(&c, SENT "250 2.0.0 OK\r\n" SENDER_OK RCPT_OK GO);
	client_say(&c, HEADER "\r\nAgain\r\n.\r\n");
	HEARS(&c, SENT);
	expect_message_ends_with("\r\n\r\nAgain\r\n");
	client_close(&c);
}

static void replies_stay_in_order_while_some_are_waited_for(void **state)
{
	static const char *const replies[] = { "250 2.1.5 first", "250 2.1.5 second" };
	struct client c;
	(void)state;
	world.relay.silent = true;
	client_logged_in(&c);
	client_say(&c, MAIL RCPT "RCPT TO:<>\r\nRCPT TO:<carol@example.net>\r\nNOOP\r\n");
	HEARS(&c, SENDER_OK);
	RUN_UNTIL(was_traced("ENVELOPE"));
	world_turn_for(10);
	assert_int_equal(buf_size(&c.heard), 0);
	relay_answer_envelope(world.relay.last, replies, 2);
	HEARS(&c,
	      "250 2.1.5 first\r\n501 5.1.3 This is not a recipient address\r\n250 2.1.5 second\r\n250 2.0.0 OK\r\n");
	client_close(&c);
}

static void a_long_reply_of_the_upstream_keeps_its_codes_on_each_line(void **state)
{
	static const char *const replies[] = { "550 5.7.1 one\ntwo" };
	struct client c;
	(void)state;
	world.relay.silent = true;
	client_logged_in(&c);
	client_say(&c, MAIL RCPT);
	RUN_UNTIL(was_traced("ENVELOPE"));
	relay_answer_envelope(world.relay.last, replies, 1);
	HEARS(&c, SENDER_OK "550-5.7.1 one\r\n550 5.7.1 two\r\n");
	client_close(&c);
}

static void three_mebibytes_arrive_as_they_were_sent(void **state)
{
	struct client c;
	struct buf body;
	(void)state;
	buf_init(&body, BIG_MAXIMUM);
	world.config.limits.message_size = 8U << 20;
	client_greeted(&c);
	client_say(&c, "HELO pc.local\r\nAUTH PLAIN good\r\n" MAIL RCPT "DATA\r\n");
	HEARS(&c, "250 mail.example.com\r\n235 2.7.0 Welcome\r\n" SENDER_OK RCPT_OK GO);
	assert_int_equal(buf_append_text(&body, HEADER "\r\n"), STATUS_OK);
	while (buf_size(&body) < 3U << 20)
		assert_int_equal(buf_printf(&body, "..%zu gr\xc3\xbc\xc3\x9f\x65 of many lines\r\n", buf_size(&body)),
				 STATUS_OK);
	assert_int_equal(stream_write(c.stream, buf_span(&body)), STATUS_OK);
	client_say(&c, ".\r\n");
	HEARS(&c, SENT);
	size_t added = buf_size(&world.message) - buf_size(&body);
	struct span arrived = span_slice(buf_span(&world.message), added, buf_size(&world.message));
	assert_true(span_equal(arrived, buf_span(&body)));
	buf_free(&body);
	client_close(&c);
}

static void a_relay_that_does_not_read_stops_the_client_and_loses_nothing(void **state)
{
	const unsigned lines = 600000;
	struct client c;
	(void)state;
	client_logged_in(&c);
	world.config.limits.message_size = 64U << 20;
	enter_data(&c);
	world.peers_paused = true;
	client_say(&c, HEADER "\r\n");
	for (unsigned i = 0; i < lines; i++)
		client_say(&c, "a line of forty bytes and not one more\r\n");
	client_say(&c, ".\r\n");
	world_turn_for(300);
	assert_true(stream_backlog(c.stream) > 1U << 20);
	world.peers_paused = false;
	HEARS(&c, SENT);
	assert_true(buf_size(&world.message) > lines * 40);
	expect_message_ends_with("\r\na line of forty bytes and not one more\r\n");
	client_close(&c);
}

/* ---- fields added */

static void missing_fields_are_added_in_front(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	client_say(&c, "Subject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENT);
	assert_true(message_holds("\r\nDate: "));
	assert_true(message_holds("\r\nMessage-ID: <ID1@mail.example.com>\r\n"));
	assert_true(message_holds("\r\nFrom: <alice@example.com>\r\n"));
	expect_message_ends_with("\r\nSubject: x\r\n\r\nHello\r\n");
	assert_true(was_traced("COMPLETE from=alice@example.com id=<ID1@mail.example.com>\n"));
	client_close(&c);
}

static void no_from_is_added_that_would_not_pass_as_one(void **state)
{
	struct client c;
	(void)state;
	world.config.sender.envelope = SENDER_OFF;
	client_logged_in(&c);
	client_say(&c, "MAIL FROM:<ceo@example.com>\r\n" RCPT "DATA\r\nSubject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENDER_OK RCPT_OK GO SENT);
	assert_false(message_holds("From:"));
	assert_true(was_traced("COMPLETE from= id="));
	client_close(&c);
}

/* The empty sender names nobody; and the user's name is none that could. */
static void a_message_from_nobody_gets_no_from(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, "MAIL FROM:<>\r\n" RCPT "DATA\r\nSubject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENDER_OK RCPT_OK GO SENT);
	assert_true(message_holds("\r\nMessage-ID: <ID1@mail.example.com>\r\n"));
	assert_false(message_holds("From:"));
	client_close(&c);
}

static void a_text_without_header_gets_one_of_its_own(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	client_say(&c, "Hello\r\n.\r\n");
	HEARS(&c, SENT);
	expect_message_ends_with("\r\n\r\nHello\r\n");
	client_close(&c);
}

static void an_empty_message_is_one_too(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	client_say(&c, ".\r\n");
	HEARS(&c, SENT);
	expect_message_starts_with("Received: by mail.example.com");
	client_close(&c);
}

static void nothing_but_received_is_added_where_the_option_says_so(void **state)
{
	struct client c;
	(void)state;
	world.config.header.add_missing = false;
	world.config.header.received = RECEIVED_FULL;
	client_in_data(&c);
	client_say(&c, "Subject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENT);
	assert_true(message_holds("127.0.0.1"));
	assert_false(message_holds("Message-ID:"));
	assert_false(message_holds("From:"));
	client_close(&c);
}

/* ---- time and drain */

static void a_client_silent_within_its_message_is_closed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.data_timeout = 100;
	client_in_data(&c);
	client_say(&c, HEADER);
	HEARS(&c, "421 4.4.2 Idle for too long, closing the connection\r\n");
	RUN_UNTIL(was_traced("ABORTED from=<alice@example.com> reply= reason=\n"));
	client_close(&c);
}

static void a_draining_gate_lets_a_message_end(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	gate_role.drain(world.gate, 60000, false);
	world_turn_for(10);
	assert_false(world.finished);
	client_say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, SENT "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_message_goes_through_whole_and_byte_by_byte),
		IN_WORLD(pipelined_commands_travel_as_one_envelope),
		IN_WORLD(replies_stay_in_order_while_some_are_waited_for),
		IN_WORLD(a_long_reply_of_the_upstream_keeps_its_codes_on_each_line),
		IN_WORLD(three_mebibytes_arrive_as_they_were_sent),
		IN_WORLD(a_relay_that_does_not_read_stops_the_client_and_loses_nothing),
		IN_WORLD(missing_fields_are_added_in_front),
		IN_WORLD(no_from_is_added_that_would_not_pass_as_one),
		IN_WORLD(a_message_from_nobody_gets_no_from),
		IN_WORLD(a_text_without_header_gets_one_of_its_own),
		IN_WORLD(an_empty_message_is_one_too),
		IN_WORLD(nothing_but_received_is_added_where_the_option_says_so),
		IN_WORLD(a_client_silent_within_its_message_is_closed),
		IN_WORLD(a_draining_gate_lets_a_message_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
