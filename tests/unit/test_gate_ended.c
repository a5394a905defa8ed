/* Sessions whose right to send ends while they run: the client hears 421, wherever it is. */
#include "gate_mail.h"

#define ENDED "421 4.7.0 This session was ended, please log in again\r\n"

static void end_session(uint64_t number)
{
	const struct door_session_ended message = { .session = number };
	assert_int_equal(door_send_session_ended(world.relay.door, &message), STATUS_OK);
}

static void an_idle_session_ends_at_once(void **state)
{
	struct client ended, other;
	(void)state;
	client_logged_in(&ended);
	client_logged_in(&other);
	end_session(1);
	HEARS(&ended, ENDED);
	client_hears_no_more(&ended);
	RUN_UNTIL(was_traced("access ended"));
	client_say(&other, "NOOP\r\n");
	HEARS(&other, "250 2.0.0 OK\r\n");
	client_close(&ended);
	client_close(&other);
}

static void recipients_that_wait_are_answered_first(void **state)
{
	struct client c;
	(void)state;
	world.relay.silent = true;
	client_logged_in(&c);
	client_say(&c, MAIL RCPT);
	RUN_UNTIL(was_traced("ENVELOPE"));
	end_session(1);
	HEARS(&c, SENDER_OK "451 4.3.0 The connection is being closed, please try again\r\n" ENDED);
	client_hears_no_more(&c);
	client_close(&c);
}

static void a_message_that_is_coming_in_is_cut_off(void **state)
{
	struct client c;
	(void)state;
	client_in_data(&c);
	client_say(&c, HEADER "\r\nHello\r\n");
	end_session(1);
	HEARS(&c, ENDED);
	client_hears_no_more(&c);
	client_close(&c);
}

static void a_message_that_the_relay_has_gets_its_outcome_first(void **state)
{
	struct client c;
	(void)state;
	client_awaits_outcome(&c);
	end_session(1);
	world_turn_for(50);
	relay_answer_message(world.relay.last, "250 2.0.0 taken");
	HEARS(&c, "250 2.0.0 taken\r\n" ENDED);
	client_hears_no_more(&c);
	client_close(&c);
}

static void a_session_that_is_gone_is_no_matter(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	end_session(4711);
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	assert_false(was_traced("RELAY_DOOR_CLOSED"));
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(an_idle_session_ends_at_once),
		IN_WORLD(recipients_that_wait_are_answered_first),
		IN_WORLD(a_message_that_is_coming_in_is_cut_off),
		IN_WORLD(a_message_that_the_relay_has_gets_its_outcome_first),
		IN_WORLD(a_session_that_is_gone_is_no_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
