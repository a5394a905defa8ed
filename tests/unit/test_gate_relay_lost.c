/* A relay role that is late, says what it must not, or is gone, and clients that are. */
#include "gate_mail.h"

static void late_replies_are_dropped(void **state)
{
	static const char *const replies[] = { "250 2.1.5 late" };
	struct client c;
	(void)state;
	client_begins_mail(&c);
	client_say(&c, "RSET\r\n");
	HEARS(&c, "250 2.0.0 Reset\r\n");
	relay_answer_envelope(world.relay.last, replies, 1);
	relay_answer_message(world.relay.last, "250 2.0.0 late");
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	assert_false(was_traced("RELAY_DOOR_CLOSED"));
	client_close(&c);
}

static void more_replies_than_recipients_break_the_door(void **state)
{
	static const char *const replies[] = { "250 2.1.5 one", "250 2.1.5 two" };
	struct client c;
	(void)state;
	world.relay.silent = true;
	client_logged_in(&c);
	client_say(&c, MAIL RCPT);
	RUN_UNTIL(was_traced("ENVELOPE"));
	relay_answer_envelope(world.relay.last, replies, 2);
	RUN_UNTIL(was_traced("RELAY_DOOR_CLOSED"));
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
	client_hears_no_more(&old);
	attach_relay();
	client_say(&fresh, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&fresh, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&fresh, "235 2.7.0 Welcome\r\n");
	enter_data(&fresh);
	client_say(&fresh, HEADER "\r\nHello\r\n.\r\n");
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
	client_say(&c, MAIL RCPT RCPT);
	HEARS(&c, SENDER_OK);
	RUN_UNTIL(was_traced("ENVELOPE"));
	door_free(&world.relay.door);
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, please try again\r\n"
		  "451 4.3.0 The delivery service was interrupted, please try again\r\n"
		  "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	client_hears_no_more(&c);
	client_close(&c);
}

static void a_message_cut_off_by_a_lost_relay_was_not_sent(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	client_say(&c, HEADER "\r\nHello\r\n");
	RUN_UNTIL(buf_size(&world.message) > 0);
	door_free(&world.relay.door);
	world_turn_for(10);
	client_say(&c, "more\r\n.\r\n");
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, the message was not sent, please try again\r\n"
		  "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	client_close(&c);
}

static void a_whole_message_at_a_lost_relay_has_an_unknown_outcome(void **state)
{
	struct client c;
	(void)state;
	client_awaits_outcome(&c);
	door_free(&world.relay.door);
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, it is not known whether the message was sent\r\n"
		  "421 4.3.0 The delivery service was restarted, please connect again\r\n");
	client_close(&c);
}

static void a_reply_that_is_none_is_a_451(void **state)
{
	struct client c;
	(void)state;
	client_awaits_outcome(&c);
	relay_answer_message(world.relay.last, "fine");
	HEARS(&c, "451 4.3.0 The delivery service was interrupted, it is not known whether the message was sent\r\n");
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(late_replies_are_dropped),
		IN_WORLD(more_replies_than_recipients_break_the_door),
		IN_WORLD(an_idle_session_ends_with_the_relay_that_knows_it),
		IN_WORLD(recipients_waiting_for_a_lost_relay_get_451),
		IN_WORLD(a_message_cut_off_by_a_lost_relay_was_not_sent),
		IN_WORLD(a_whole_message_at_a_lost_relay_has_an_unknown_outcome),
		IN_WORLD(a_reply_that_is_none_is_a_451),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
