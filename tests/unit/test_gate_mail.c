/* Mail through the gate: envelopes in batches, messages on their way, refusals, and a relay that is late or gone. */
#include "gate_fixture.h"

#define MAIL "MAIL FROM:<alice@example.com>\r\n"
#define RCPT "RCPT TO:<bob@example.net>\r\n"
#define SENDER_OK "250 2.1.0 Sender accepted\r\n"
#define RCPT_OK "250 2.1.5 OK\r\n"
#define GO "354 Go ahead, end with a line that holds only a dot\r\n"
#define SENT "250 2.0.0 Sent as ID1\r\n"
#define HEADER \
	"From: Alice <alice@example.com>\r\nDate: Mon, 23 Nov 2026 08:15:30 +0000\r\nMessage-ID: <m1@pc.local>\r\n"

static void expect_message_ends_with(const char *text)
{
	struct span message = buf_span(&world.message);
	size_t size = strlen(text);
	if (message.size < size || memcmp(message.data + message.size - size, text, size) != 0)
		fail_msg("expected the message to end with \"%s\", it is \"%.*s\"", text, SPAN_ARGS(message));
}

static void expect_message_starts_with(const char *text)
{
	if (!span_starts_with(buf_span(&world.message), span_of(text)))
		fail_msg("expected the message to start with \"%s\", it is \"%.*s\"", text,
			 SPAN_ARGS(buf_span(&world.message)));
}

static bool message_holds(const char *text)
{
	struct span message = buf_span(&world.message);
	return message.size && memmem(message.data, message.size, text, strlen(text)) != NULL;
}

static void enter_data(struct client *c)
{
	say(c, MAIL RCPT "DATA\r\n");
	HEARS(c, SENDER_OK RCPT_OK GO);
}

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
			(dripping ? drip : say)(&c, says[i]);
			HEARS(&c, answers[i]);
		}
		hears_no_more(&c);
		assert_true(traced("ENVELOPE from=<alice@example.com> parameters= size=0 to=<bob@example.net> "
				   "helo=pc.local\n"));
		assert_true(traced("to=<bad@example.net> helo="));
		assert_true(traced("COMPLETE from=alice@example.com id=<m1@pc.local>\n"));
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
	say(&c, "MAIL FROM:<alice@example.com> BODY=8BITMIME SIZE=500\r\n" RCPT
		"RCPT TO:<bad@example.net>\r\nRCPT TO:<carol@example.net>\r\nDATA\r\n");
	HEARS(&c, SENDER_OK RCPT_OK "550 5.1.1 No such user\r\n" RCPT_OK GO);
	assert_true(traced("ENVELOPE from=<alice@example.com> parameters=BODY=8BITMIME SIZE=500 size=500 "
			   "to=<bob@example.net><bad@example.net><carol@example.net> helo=pc.local\n"));
	say(&c, HEADER "\r\nHello\r\n.\r\nNOOP\r\n" MAIL RCPT "DATA\r\n");
	HEARS(&c, SENT "250 2.0.0 OK\r\n" SENDER_OK RCPT_OK GO);
	say(&c, HEADER "\r\nAgain\r\n.\r\n");
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
	say(&c, MAIL RCPT "RCPT TO:<>\r\nRCPT TO:<carol@example.net>\r\nNOOP\r\n");
	HEARS(&c, SENDER_OK);
	RUN_UNTIL(traced("ENVELOPE"));
	rest(10);
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
	say(&c, MAIL RCPT);
	RUN_UNTIL(traced("ENVELOPE"));
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
	say(&c, "HELO pc.local\r\nAUTH PLAIN good\r\n" MAIL RCPT "DATA\r\n");
	HEARS(&c, "250 mail.example.com\r\n235 2.7.0 Welcome\r\n" SENDER_OK RCPT_OK GO);
	assert_int_equal(buf_append_text(&body, HEADER "\r\n"), STATUS_OK);
	while (buf_size(&body) < 3U << 20)
		assert_int_equal(buf_printf(&body, "..%zu gr\xc3\xbc\xc3\x9f\x65 of many lines\r\n", buf_size(&body)),
				 STATUS_OK);
	assert_int_equal(stream_write(c.stream, buf_span(&body)), STATUS_OK);
	say(&c, ".\r\n");
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
	world.peers_rest = true;
	say(&c, HEADER "\r\n");
	for (unsigned i = 0; i < lines; i++)
		say(&c, "a line of forty bytes and not one more\r\n");
	say(&c, ".\r\n");
	rest(300);
	assert_true(stream_backlog(c.stream) > 1U << 20);
	world.peers_rest = false;
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
	client_logged_in(&c);
	enter_data(&c);
	say(&c, "Subject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENT);
	assert_true(message_holds("\r\nDate: "));
	assert_true(message_holds("\r\nMessage-ID: <ID1@mail.example.com>\r\n"));
	assert_true(message_holds("\r\nFrom: <alice@example.com>\r\n"));
	expect_message_ends_with("\r\nSubject: x\r\n\r\nHello\r\n");
	assert_true(traced("COMPLETE from=alice@example.com id=<ID1@mail.example.com>\n"));
	client_close(&c);
}

static void no_from_is_added_that_would_not_pass_as_one(void **state)
{
	struct client c;
	(void)state;
	world.config.sender.envelope = SENDER_OFF;
	client_logged_in(&c);
	say(&c, "MAIL FROM:<ceo@example.com>\r\n" RCPT "DATA\r\nSubject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENDER_OK RCPT_OK GO SENT);
	assert_false(message_holds("From:"));
	assert_true(traced("COMPLETE from= id="));
	client_close(&c);
}

/* The empty sender names nobody; and the user's name is none that could. */
static void a_message_from_nobody_gets_no_from(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, "MAIL FROM:<>\r\n" RCPT "DATA\r\nSubject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENDER_OK RCPT_OK GO SENT);
	assert_true(message_holds("\r\nMessage-ID: <ID1@mail.example.com>\r\n"));
	assert_false(message_holds("From:"));
	client_close(&c);
}

static void a_text_without_header_gets_one_of_its_own(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	say(&c, "Hello\r\n.\r\n");
	HEARS(&c, SENT);
	expect_message_ends_with("\r\n\r\nHello\r\n");
	client_close(&c);
}

static void an_empty_message_is_one_too(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	say(&c, ".\r\n");
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
	client_logged_in(&c);
	enter_data(&c);
	say(&c, "Subject: x\r\n\r\nHello\r\n.\r\n");
	HEARS(&c, SENT);
	assert_true(message_holds("127.0.0.1"));
	assert_false(message_holds("Message-ID:"));
	assert_false(message_holds("From:"));
	client_close(&c);
}

/* ---- senders */

static void a_sender_of_somebody_else_is_refused_by_name(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, "MAIL FROM:<ceo@example.com>\r\n" RCPT);
	HEARS(&c, "553 5.7.1 <ceo@example.com> is not one of your sender addresses\r\n503 5.5.1 Send MAIL first\r\n");
	RUN_UNTIL(traced("ABORTED from=<ceo@example.com> reply=553 5.7.1 <ceo@example.com> is not one of your sender "
			 "addresses reason=sender\n"));
	assert_false(traced("ENVELOPE"));
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_SENDER), 1);
	client_close(&c);
}

static void own_senders_pass(void **state)
{
	static const char *const senders[] = { "<>", "<ALICE@Example.com>", "<alice+news@example.com>",
					       "<anybody@team.example>", "alice@example.com" };
	struct client c;
	(void)state;
	client_logged_in(&c);
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		say(&c, "MAIL FROM: ");
		say(&c, senders[i]);
		say(&c, "\r\nRSET\r\n");
		HEARS(&c, SENDER_OK "250 2.0.0 Reset\r\n");
	}
	client_close(&c);
}

static void the_sender_check_can_only_watch_or_be_off(void **state)
{
	static const enum config_sender_mode modes[] = { SENDER_AUDIT, SENDER_OFF };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct client c;
		world.config.sender.envelope = world.config.sender.header = modes[i];
		client_logged_in(&c);
		say(&c, "MAIL FROM:<ceo@example.com>\r\n" RCPT "DATA\r\n");
		HEARS(&c, SENDER_OK RCPT_OK GO);
		say(&c, "From: ceo@example.com\r\n\r\nHello\r\n.\r\n");
		HEARS(&c, SENT);
		client_close(&c);
	}
}

/* ---- refusals after the data */

static void messages_that_are_not_taken_are_read_to_their_end(void **state)
{
	static const struct {
		const char *data, *hears, *reason;
	} cases[] = {
		{ "From: ceo@example.com\r\n\r\nPay.\r\n.\r\n",
		  "550 5.7.1 The From: address <ceo@example.com> is not one of yours\r\n", "reason=sender in From:" },
		{ "From: alice@example.com, ceo@example.com\r\n\r\nPay.\r\n.\r\n",
		  "550 5.7.1 The From: address <ceo@example.com> is not one of yours\r\n", "reason=sender in From:" },
		{ "From: alice@example.com\r\nFrom: ceo@example.com\r\n\r\nPay.\r\n.\r\n",
		  "550 5.7.1 The From: address <ceo@example.com> is not one of yours\r\n", "reason=sender in From:" },
		{ HEADER "\r\nstray \r return\r\n.\r\n",
		  "554 5.6.0 The message has a carriage return without a line feed, or a NUL byte\r\n",
		  "reason=stray CR or NUL" },
	};
	struct client c;
	(void)state;
	client_logged_in(&c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&world.trace);
		enter_data(&c);
		say(&c, cases[i].data);
		say(&c, "NOOP\r\n");
		HEARS(&c, cases[i].hears);
		HEARS(&c, "250 2.0.0 OK\r\n");
		RUN_UNTIL(traced(cases[i].reason));
		assert_false(traced("COMPLETE"));
	}
	client_close(&c);
}

static void say_received(struct client *c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		say(c, "Received: by hop.example with SMTP; Mon, 23 Nov 2026 08:15:30 +0000\r\n");
}

static void a_message_that_goes_in_circles_is_refused(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	say_received(&c, 101);
	say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, "554 5.4.6 Too many Received header fields, this message goes round in circles\r\n");
	assert_false(traced("COMPLETE"));
	client_close(&c);
}

static void a_hundred_hops_are_no_circle(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	say_received(&c, 100);
	say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, SENT);
	client_close(&c);
}

static void a_header_that_never_ends_is_refused(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	for (unsigned i = 0; i < 5000; i++)
		say(&c, "X-Padding: sixty bytes of header that say nothing whatsoever\r\n");
	say(&c, "\r\nHello\r\n.\r\n");
	HEARS(&c, "552 5.3.4 The message's header is too large\r\n");
	assert_int_equal(buf_size(&world.message), 0);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_HEADER), 1);
	client_close(&c);
}

static void what_is_larger_than_announced_is_refused(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, "MAIL FROM:<alice@example.com> SIZE=1048577\r\n");
	HEARS(&c, "552 5.3.4 Message too large: at most 1048576 bytes are taken\r\n");
	enter_data(&c);
	say(&c, HEADER "\r\n");
	for (unsigned i = 0; i < 30000; i++)
		say(&c, "a line of forty bytes and not one more\r\n");
	say(&c, ".\r\n");
	HEARS(&c, "552 5.3.4 Message too large: at most 1048576 bytes are taken\r\n");
	RUN_UNTIL(traced("ABORTED from=<alice@example.com> reply=552 5.3.4 Message too large: at most 1048576 bytes "
			 "are taken reason=message too large\n"));
	assert_false(traced("COMPLETE"));
	client_close(&c);
}

static void the_relay_may_refuse_before_the_end(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	say(&c, HEADER "\r\nHello\r\n");
	RUN_UNTIL(buf_size(&world.message) > 0);
	relay_answer_message(world.relay.last, "452 4.3.1 The spool is full, please try again later");
	rest(20);
	assert_int_equal(buf_size(&c.heard), 0);
	say(&c, "more\r\n.\r\n" MAIL);
	HEARS(&c, "452 4.3.1 The spool is full, please try again later\r\n" SENDER_OK);
	assert_false(traced("COMPLETE"));
	assert_false(traced("ABORTED"));
	client_close(&c);
}

static void the_relay_may_give_up_before_the_data(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, MAIL RCPT);
	HEARS(&c, SENDER_OK RCPT_OK);
	relay_answer_message(world.relay.last, "451 4.3.0 No relay is there, please try again later");
	rest(10);
	say(&c, RCPT "DATA\r\n");
	HEARS(&c, "451 4.3.0 No relay is there, please try again later\r\n"
		  "451 4.3.0 No relay is there, please try again later\r\n");
	say(&c, MAIL "RSET\r\n");
	HEARS(&c, SENDER_OK "250 2.0.0 Reset\r\n");
	assert_false(traced("ABORTED"));
	client_close(&c);
}

static void a_success_before_the_data_is_none(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	relay_answer_message(world.relay.last, "250 2.0.0 Sent");
	RUN_UNTIL(traced("RELAY_DOOR_CLOSED"));
	say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, the message was not sent, please try again\r\n");
	client_close(&c);
}

static void who_sends_all_at_once_and_hangs_up_is_served(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n" MAIL RCPT "DATA\r\n" HEADER "\r\nHello\r\n.\r\n");
	stream_finish(&c.stream, 1000);
	RUN_UNTIL(traced("COMPLETE"));
	RUN_UNTIL(traced("SESSION_CLOSED client closed\n"));
	expect_message_ends_with("\r\nHello\r\n");
	assert_false(traced("ABORTED"));
	client_close(&c);
}

/* ---- what is out of place */

static void commands_out_of_place_are_refused(void **state)
{
	static const struct {
		const char *says, *hears;
	} cases[] = {
		{ RCPT, "503 5.5.1 Send MAIL first\r\n" },
		{ "DATA\r\n", "503 5.5.1 Send MAIL first\r\n" },
		{ "MAIL TO:<x@y>\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n" },
		{ "MAIL FROM:<not an address>\r\n", "501 5.1.7 This is not a sender address\r\n" },
		{ "MAIL FROM:<alice@example.com> FROB=1\r\n",
		  "555 5.5.4 This parameter of MAIL is not known here\r\n" },
		{ MAIL, SENDER_OK },
		{ MAIL, "503 5.5.1 Not within a mail transaction\r\n" },
		{ "AUTH PLAIN good\r\n", "503 5.5.1 Already logged in\r\n" },
		{ "DATA\r\n", "503 5.5.1 Send RCPT first\r\n" },
		{ "RCPT FROM:<x@y>\r\n", "501 5.5.4 Syntax: RCPT TO:<address>\r\n" },
		{ "RCPT TO:<bad@example.net>\r\n", "550 5.1.1 No such user\r\n" },
		{ "DATA\r\n", "554 5.5.1 No valid recipients\r\n" },
		{ RCPT, RCPT_OK },
		{ "DATA\r\n", GO },
	};
	struct client c;
	(void)state;
	world.config.limits.errors = 100;
	client_logged_in(&c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(&c, cases[i].says);
		HEARS(&c, cases[i].hears);
	}
	client_close(&c);
}

static void surplus_recipients_are_told_to_come_later(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, MAIL "RCPT TO:<bad@example.net>\r\n" RCPT RCPT RCPT RCPT RCPT);
	HEARS(&c, SENDER_OK "550 5.1.1 No such user\r\n" RCPT_OK RCPT_OK RCPT_OK RCPT_OK
			    "452 4.5.3 Too many recipients for one message\r\n");
	say(&c, RCPT RCPT);
	HEARS(&c, RCPT_OK "452 4.5.3 Too many recipients for one message\r\n");
	client_close(&c);
}

static void what_ends_a_transaction_is_told_to_the_relay(void **state)
{
	static const char *const ends[] = { "RSET\r\n", "EHLO again\r\n", "QUIT\r\n" };
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct client c;
		buf_clear(&world.trace);
		client_logged_in(&c);
		say(&c, MAIL RCPT);
		HEARS(&c, SENDER_OK RCPT_OK);
		say(&c, ends[i]);
		RUN_UNTIL(traced("ABORTED from=<alice@example.com> reply= reason=\n"));
		client_close(&c);
	}
}

static void a_client_that_vanishes_ends_its_transaction(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	say(&c, HEADER "\r\nHalf a mess");
	RUN_UNTIL(buf_size(&world.message) > 0);
	client_close(&c);
	RUN_UNTIL(traced("ABORTED from=<alice@example.com> reply= reason=\n"));
	RUN_UNTIL(traced("SESSION_CLOSED "));
	assert_false(traced("COMPLETE"));
}

static void a_transaction_the_relay_never_saw_is_not_told(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, MAIL "RSET\r\n");
	HEARS(&c, SENDER_OK "250 2.0.0 Reset\r\n");
	rest(10);
	assert_false(traced("ABORTED"));
	client_close(&c);
}

static void a_whole_message_has_its_outcome_though_the_client_is_gone(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	world.relay.silent = true;
	say(&c, HEADER "\r\nHello\r\n.\r\n");
	RUN_UNTIL(traced("COMPLETE"));
	client_close(&c);
	rest(30);
	assert_false(traced("ABORTED"));
	assert_false(traced("SESSION_CLOSED"));
	relay_answer_message(world.relay.last, "250 2.0.0 Sent");
	RUN_UNTIL(traced("SESSION_CLOSED"));
	assert_false(traced("ABORTED"));
}

/* ---- a relay that is late, or gone */

static void late_replies_are_dropped(void **state)
{
	static const char *const replies[] = { "250 2.1.5 late" };
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, MAIL RCPT);
	HEARS(&c, SENDER_OK RCPT_OK);
	say(&c, "RSET\r\n");
	HEARS(&c, "250 2.0.0 Reset\r\n");
	relay_answer_envelope(world.relay.last, replies, 1);
	relay_answer_message(world.relay.last, "250 2.0.0 late");
	say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	assert_false(traced("RELAY_DOOR_CLOSED"));
	client_close(&c);
}

static void more_replies_than_recipients_break_the_door(void **state)
{
	static const char *const replies[] = { "250 2.1.5 one", "250 2.1.5 two" };
	struct client c;
	(void)state;
	world.relay.silent = true;
	client_logged_in(&c);
	say(&c, MAIL RCPT);
	RUN_UNTIL(traced("ENVELOPE"));
	relay_answer_envelope(world.relay.last, replies, 2);
	RUN_UNTIL(traced("RELAY_DOOR_CLOSED"));
	HEARS(&c, SENDER_OK "451 4.3.0 The delivery service was interrupted, please try again\r\n");
	client_close(&c);
}

static void an_idle_session_ends_with_the_relay_that_knows_it(void **state)
{
	struct client old, fresh;
	(void)state;
	client_greeted(&fresh);
	client_logged_in(&old);
	door_free(&world.relay.door);
	HEARS(&old, "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	hears_no_more(&old);
	attach_relay();
	say(&fresh, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&fresh, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&fresh, "235 2.7.0 Welcome\r\n");
	enter_data(&fresh);
	say(&fresh, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&fresh, SENT);
	client_close(&old);
	client_close(&fresh);
}

static void recipients_waiting_for_a_lost_relay_get_451(void **state)
{
	struct client c;
	(void)state;
	world.relay.silent = true;
	client_logged_in(&c);
	say(&c, MAIL RCPT RCPT);
	HEARS(&c, SENDER_OK);
	RUN_UNTIL(traced("ENVELOPE"));
	door_free(&world.relay.door);
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, please try again\r\n"
		  "451 4.3.0 The delivery service was interrupted, please try again\r\n"
		  "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	hears_no_more(&c);
	client_close(&c);
}

static void a_message_cut_off_by_a_lost_relay_was_not_sent(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	say(&c, HEADER "\r\nHello\r\n");
	RUN_UNTIL(buf_size(&world.message) > 0);
	door_free(&world.relay.door);
	rest(10);
	say(&c, "more\r\n.\r\n");
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, the message was not sent, please try again\r\n"
		  "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	client_close(&c);
}

static void a_whole_message_at_a_lost_relay_has_an_unknown_outcome(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	world.relay.silent = true;
	say(&c, HEADER "\r\nHello\r\n.\r\n");
	RUN_UNTIL(traced("COMPLETE"));
	door_free(&world.relay.door);
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, it is not known whether the message was sent\r\n"
		  "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	client_close(&c);
}

static void a_reply_that_is_none_is_a_451(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	world.relay.silent = true;
	say(&c, HEADER "\r\nHello\r\n.\r\n");
	RUN_UNTIL(traced("COMPLETE"));
	relay_answer_message(world.relay.last, "fine");
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, it is not known whether the message was sent\r\n");
	client_close(&c);
}

/* ---- time and drain */

static void a_client_silent_within_its_message_is_closed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.data_timeout = 100;
	client_logged_in(&c);
	enter_data(&c);
	say(&c, HEADER);
	HEARS(&c, "421 4.4.2 Idle for too long, closing the connection\r\n");
	RUN_UNTIL(traced("ABORTED from=<alice@example.com> reply= reason=\n"));
	client_close(&c);
}

static void a_draining_gate_lets_a_message_end(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	enter_data(&c);
	gate_role.drain(world.gate, 60000, false);
	rest(10);
	assert_false(world.finished);
	say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, SENT "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_close(&c);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

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
		IN_WORLD(a_sender_of_somebody_else_is_refused_by_name),
		IN_WORLD(own_senders_pass),
		IN_WORLD(the_sender_check_can_only_watch_or_be_off),
		IN_WORLD(messages_that_are_not_taken_are_read_to_their_end),
		IN_WORLD(a_message_that_goes_in_circles_is_refused),
		IN_WORLD(a_hundred_hops_are_no_circle),
		IN_WORLD(a_header_that_never_ends_is_refused),
		IN_WORLD(what_is_larger_than_announced_is_refused),
		IN_WORLD(the_relay_may_refuse_before_the_end),
		IN_WORLD(the_relay_may_give_up_before_the_data),
		IN_WORLD(a_success_before_the_data_is_none),
		IN_WORLD(who_sends_all_at_once_and_hangs_up_is_served),
		IN_WORLD(commands_out_of_place_are_refused),
		IN_WORLD(surplus_recipients_are_told_to_come_later),
		IN_WORLD(what_ends_a_transaction_is_told_to_the_relay),
		IN_WORLD(a_client_that_vanishes_ends_its_transaction),
		IN_WORLD(a_transaction_the_relay_never_saw_is_not_told),
		IN_WORLD(a_whole_message_has_its_outcome_though_the_client_is_gone),
		IN_WORLD(late_replies_are_dropped),
		IN_WORLD(more_replies_than_recipients_break_the_door),
		IN_WORLD(an_idle_session_ends_with_the_relay_that_knows_it),
		IN_WORLD(recipients_waiting_for_a_lost_relay_get_451),
		IN_WORLD(a_message_cut_off_by_a_lost_relay_was_not_sent),
		IN_WORLD(a_whole_message_at_a_lost_relay_has_an_unknown_outcome),
		IN_WORLD(a_reply_that_is_none_is_a_451),
		IN_WORLD(a_client_silent_within_its_message_is_closed),
		IN_WORLD(a_draining_gate_lets_a_message_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
