/* Messages that the gate refuses: foreign senders, bad headers, too many bytes; and commands out of place. */
#include "gate_mail.h"

/* ---- senders */

static void a_sender_of_somebody_else_is_refused_by_name(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, "MAIL FROM:<ceo@example.com>\r\n" RCPT);
	HEARS(&c, "553 5.7.1 <ceo@example.com> is not one of your sender addresses\r\n503 5.5.1 Send MAIL first\r\n");
	RUN_UNTIL(
		was_traced("ABORTED from=<ceo@example.com> reply=553 5.7.1 <ceo@example.com> is not one of your sender "
			   "addresses reason=sender\n"));
	assert_false(was_traced("ENVELOPE"));
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
		client_say(&c, "MAIL FROM: ");
		client_say(&c, senders[i]);
		client_say(&c, "\r\nRSET\r\n");
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
		client_say(&c, "MAIL FROM:<ceo@example.com>\r\n" RCPT "DATA\r\n");
		HEARS(&c, SENDER_OK RCPT_OK GO);
		buf_clear(&world.trace);
		client_say(&c, "From: ceo@example.com\r\n\r\nHello\r\n.\r\n");
		HEARS(&c, SENT);
		assert_int_equal(was_traced("noted=From: <ceo@example.com> not owned by the user\n"),
				 modes[i] == SENDER_AUDIT);
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
		client_say(&c, cases[i].data);
		client_say(&c, "NOOP\r\n");
		HEARS(&c, cases[i].hears);
		HEARS(&c, "250 2.0.0 OK\r\n");
		RUN_UNTIL(was_traced(cases[i].reason));
		assert_false(was_traced("COMPLETE"));
	}
	client_close(&c);
}

static void say_received(struct client *c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		client_say(c, "Received: by hop.example with SMTP; Mon, 23 Nov 2026 08:15:30 +0000\r\n");
}

static void a_message_that_goes_in_circles_is_refused(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	say_received(&c, 101);
	client_say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, "554 5.4.6 Too many Received header fields, this message is in a loop\r\n");
	assert_false(was_traced("COMPLETE"));
	client_close(&c);
}

static void a_hundred_hops_are_no_circle(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	say_received(&c, 100);
	client_say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, SENT);
	client_close(&c);
}

static void a_header_that_never_ends_is_refused(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	for (unsigned i = 0; i < 5000; i++)
		client_say(&c, "X-Padding: sixty bytes of header that say nothing whatsoever\r\n");
	client_say(&c, "\r\nHello\r\n.\r\n");
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
	client_say(&c, "MAIL FROM:<alice@example.com> SIZE=1048577\r\n");
	HEARS(&c, "552 5.3.4 Message too large: at most 1048576 bytes are taken\r\n");
	enter_data(&c);
	client_say(&c, HEADER "\r\n");
	for (unsigned i = 0; i < 30000; i++)
		client_say(&c, "a line of forty bytes and not one more\r\n");
	client_say(&c, ".\r\n");
	HEARS(&c, "552 5.3.4 Message too large: at most 1048576 bytes are taken\r\n");
	RUN_UNTIL(
		was_traced("ABORTED from=<alice@example.com> reply=552 5.3.4 Message too large: at most 1048576 bytes "
			   "are taken reason=message too large\n"));
	assert_false(was_traced("COMPLETE"));
	client_close(&c);
}

static void the_relay_may_refuse_before_the_end(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	client_say(&c, HEADER "\r\nHello\r\n");
	RUN_UNTIL(buf_size(&world.message) > 0);
	relay_answer_message(world.relay.last, "452 4.3.1 The spool is full, please try again later");
	world_turn_for(20);
	assert_int_equal(buf_size(&c.heard), 0);
	client_say(&c, "more\r\n.\r\n" MAIL);
	HEARS(&c, "452 4.3.1 The spool is full, please try again later\r\n" SENDER_OK);
	assert_false(was_traced("COMPLETE"));
	assert_false(was_traced("ABORTED"));
	client_close(&c);
}

static void the_relay_may_give_up_before_the_data(void **state)
{
	struct client c;
	(void)state;
	client_begins_mail(&c);
	relay_answer_message(world.relay.last, "451 4.3.0 No relay is there, please try again later");
	world_turn_for(10);
	client_say(&c, RCPT "DATA\r\n");
	HEARS(&c, "451 4.3.0 No relay is there, please try again later\r\n"
		  "451 4.3.0 No relay is there, please try again later\r\n");
	client_say(&c, MAIL "RSET\r\n");
	HEARS(&c, SENDER_OK "250 2.0.0 Reset\r\n");
	assert_false(was_traced("ABORTED"));
	client_close(&c);
}

static void a_success_before_the_data_is_none(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	relay_answer_message(world.relay.last, "250 2.0.0 Sent");
	RUN_UNTIL(was_traced("RELAY_DOOR_CLOSED"));
	client_say(&c, HEADER "\r\nHello\r\n.\r\n");
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, the message was not sent, please try again\r\n");
	client_close(&c);
}

static void a_client_that_sends_all_at_once_and_hangs_up_is_served(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n" MAIL RCPT "DATA\r\n" HEADER "\r\nHello\r\n.\r\n");
	stream_finish(&c.stream, 1000);
	RUN_UNTIL(was_traced("COMPLETE"));
	RUN_UNTIL(was_traced("SESSION_CLOSED client closed\n"));
	expect_message_ends_with("\r\nHello\r\n");
	assert_false(was_traced("ABORTED"));
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
		client_say(&c, cases[i].says);
		HEARS(&c, cases[i].hears);
	}
	client_close(&c);
}

static void surplus_recipients_are_told_to_come_later(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, MAIL "RCPT TO:<bad@example.net>\r\n" RCPT RCPT RCPT RCPT RCPT);
	HEARS(&c, SENDER_OK "550 5.1.1 No such user\r\n" RCPT_OK RCPT_OK RCPT_OK RCPT_OK
			    "452 4.5.3 Too many recipients for one message\r\n");
	client_say(&c, RCPT RCPT);
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
		client_say(&c, MAIL RCPT);
		HEARS(&c, SENDER_OK RCPT_OK);
		client_say(&c, ends[i]);
		RUN_UNTIL(was_traced("ABORTED from=<alice@example.com> reply= reason=\n"));
		client_close(&c);
	}
}

static void a_client_that_vanishes_ends_its_transaction(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	client_say(&c, HEADER "\r\nHalf a mess");
	RUN_UNTIL(buf_size(&world.message) > 0);
	client_close(&c);
	RUN_UNTIL(was_traced("ABORTED from=<alice@example.com> reply= reason=\n"));
	RUN_UNTIL(was_traced("SESSION_CLOSED "));
	assert_false(was_traced("COMPLETE"));
}

static void a_transaction_the_relay_never_saw_is_not_told(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, MAIL "RSET\r\n");
	HEARS(&c, SENDER_OK "250 2.0.0 Reset\r\n");
	world_turn_for(10);
	assert_false(was_traced("ABORTED"));
	client_close(&c);
}

static void a_whole_message_has_its_outcome_though_the_client_is_gone(void **state)
{
	struct client c;
	(void)state;
	client_awaits_outcome(&c);
	client_close(&c);
	world_turn_for(30);
	assert_false(was_traced("ABORTED"));
	assert_false(was_traced("SESSION_CLOSED"));
	relay_answer_message(world.relay.last, "250 2.0.0 Sent");
	RUN_UNTIL(was_traced("SESSION_CLOSED"));
	assert_false(was_traced("ABORTED"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		IN_WORLD(a_client_that_sends_all_at_once_and_hangs_up_is_served),
		IN_WORLD(commands_out_of_place_are_refused),
		IN_WORLD(surplus_recipients_are_told_to_come_later),
		IN_WORLD(what_ends_a_transaction_is_told_to_the_relay),
		IN_WORLD(a_client_that_vanishes_ends_its_transaction),
		IN_WORLD(a_transaction_the_relay_never_saw_is_not_told),
		IN_WORLD(a_whole_message_has_its_outcome_though_the_client_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
