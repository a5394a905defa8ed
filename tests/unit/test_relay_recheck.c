/* A session's right is asked for again before a message, and what the answer does to the message and the session. */
#include "relay_world.h"

#define SENDER "ann@example.com"
#define INTERVAL_MS 300000
#define GRACE_MS 3600000

static int begin_rechecked(void **state)
{
	world_begin(state);
	config.auth.recheck = INTERVAL_MS;
	config.app_password.directory_grace = GRACE_MS;
	recheck_note(&rechecks, grant, true);
	return 0;
}

static void answer(bool holds)
{
	recheck_note(&rechecks, grant, holds);
	deliveries_rechecked(grant);
	end_turn();
}

static void a_young_session_is_not_asked_about(void **state)
{
	(void)state;
	world.now += INTERVAL_MS - 1;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	expect_trace("A: bob@x");
}

static void a_message_waits_until_the_right_is_known_to_hold(void **state)
{
	(void)state;
	world.now += INTERVAL_MS;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(grant, 1, SENDER, "cy@x"), STATUS_OK);
	expect_trace("recheck 7-1");
	answer(true);
	expect_trace("A: bob@x cy@x");
	upstream_says("250 ok|250 ok");
	expect_trace("replies; replies");
	assert_string_equal(world.envelope_reply, "250 ok");
}

static void the_next_message_is_not_asked_about_again(void **state)
{
	(void)state;
	world.now += INTERVAL_MS;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	expect_trace("recheck 7-1");
	answer(true);
	expect_trace("A: bob@x");
	deliveries_end_session(grant);
	end_turn();
	world.trace[0] = '\0';
	world.now += INTERVAL_MS - 1;
	assert_int_equal(say_envelope(grant, 2, SENDER, "bob@x"), STATUS_OK);
	expect_trace("A: bob@x");
}

static void nothing_goes_out_once_the_right_has_ended(void **state)
{
	(void)state;
	world.now += INTERVAL_MS;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	expect_trace("recheck 7-1");
	grant->has_ended = true;
	deliveries_end_session(grant);
	answer(false);
	expect_trace("");
	assert_int_equal(say_envelope(grant, 2, SENDER, "bob@x"), STATUS_OK);
	expect_trace("message.refused; replies");
	assert_string_equal(world.envelope_reply, "530 5.7.0 This session was ended, please log in again");
}

static void a_complete_message_is_not_charged_once_the_right_has_ended(void **state)
{
	(void)state;
	bring_recipient();
	grant->has_ended = true;
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("abort; message.refused; answer");
	assert_string_equal(world.message_reply, "530 5.7.0 This session was ended, please log in again");
}

static void what_was_known_holds_while_the_directory_is_away(void **state)
{
	(void)state;
	world.now += INTERVAL_MS;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	expect_trace("recheck 7-1");
	answer(false);
	expect_trace("A: bob@x");
	deliveries_end_session(grant);
	end_turn();
	world.trace[0] = '\0';
	world.now += RECHECK_AGAIN_MS; /* it is asked for again soon */
	assert_int_equal(say_envelope(grant, 2, SENDER, "bob@x"), STATUS_OK);
	expect_trace("recheck 7-1");
}

static void without_an_auth_role_it_holds_too(void **state)
{
	(void)state;
	world.auth_is_away = true;
	world.now += INTERVAL_MS;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	expect_trace("A: bob@x");
}

static void but_not_for_ever(void **state)
{
	(void)state;
	world.auth_is_away = true;
	world.now += INTERVAL_MS + GRACE_MS + 1;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	expect_trace("message.refused; replies");
	assert_string_equal(world.envelope_reply, "451 4.3.0 Your account can't be checked now; try again later");
}

static void it_is_switched_off_by_0(void **state)
{
	(void)state;
	config.auth.recheck = 0;
	world.now += 100 * GRACE_MS;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	expect_trace("A: bob@x");
}

#define RECHECKED(test) cmocka_unit_test_setup_teardown(test, begin_rechecked, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RECHECKED(a_young_session_is_not_asked_about),
		RECHECKED(a_message_waits_until_the_right_is_known_to_hold),
		RECHECKED(the_next_message_is_not_asked_about_again),
		RECHECKED(nothing_goes_out_once_the_right_has_ended),
		RECHECKED(a_complete_message_is_not_charged_once_the_right_has_ended),
		RECHECKED(what_was_known_holds_while_the_directory_is_away),
		RECHECKED(without_an_auth_role_it_holds_too),
		RECHECKED(but_not_for_ever),
		RECHECKED(it_is_switched_off_by_0),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
