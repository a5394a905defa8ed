/* Several events in one turn of the loop: each is noted, and the delivery's turn makes one decision of them. */
#include "relay_world.h"

#define SENDER "ann@example.com"

/* Until the next expect_of_turn everything happens in one turn. */
static void begin_turn(void)
{
	world.turn_goes_on = true;
}

static void expect_of_turn(const char *trace_of_turn)
{
	assert_string_equal(world.trace, "");
	world.turn_goes_on = false;
	expect_trace(trace_of_turn);
}

static void abort_transaction(uint64_t transaction)
{
	const struct door_transaction_aborted aborted = { .session = 1, .transaction = transaction };
	deliveries_abort(deliveries, &gate, grant, &aborted);
}

static void groups_of_recipients_are_asked_for_together_and_answered_one_by_one(void **state)
{
	(void)state;
	begin_turn();
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(grant, 1, SENDER, "cy@x dee@x"), STATUS_OK);
	expect_of_turn("A: bob@x cy@x dee@x");
	upstream_says("250 1|250 2|550 5.1.1 none");
	expect_trace("replies; replies");
	assert_string_equal(world.envelope_reply, "250 2|550 5.1.1 none");
}

static void a_transaction_and_its_end_ask_nobody(void **state)
{
	(void)state;
	begin_turn();
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	abort_transaction(101);
	expect_of_turn("");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void an_aborted_transaction_makes_room_for_the_next(void **state)
{
	(void)state;
	config.limits.transactions_per_user = 1;
	bring_envelope();
	begin_turn();
	abort_transaction(101);
	assert_int_equal(say_envelope(grant, 2, SENDER, "cy@x"), STATUS_OK);
	expect_of_turn("abort; A: cy@x");
	assert_int_equal(deliveries_count(deliveries), 1);
}

static void what_was_left_is_found_no_more(void **state)
{
	(void)state;
	bring_recipient();
	begin_turn();
	abort_transaction(101);
	say_data(101, MESSAGE_TEXT, true);
	assert_int_equal(say_envelope(grant, 1, SENDER, "cy@x"), STATUS_OK);
	assert_string_equal(world.trace, "answer"); /* it began once, and is over */
	world.turn_goes_on = false;
	expect_trace("answer; abort");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void the_rest_of_a_message_that_is_refused_is_dropped(void **state)
{
	(void)state;
	bring_recipient();
	begin_turn();
	say_data(101, "a\nb\r\n", false);
	say_data(101, "more\r\n", false);
	say_data(101, "and its end\r\n", true);
	expect_of_turn("abort; message.refused; answer");
	assert_string_equal(world.message_reply, "554 5.6.0 Message data malformed");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void recipients_of_a_transaction_that_is_refused_hear_of_its_end_only(void **state)
{
	(void)state;
	world.mail_parameters = "X=1";
	begin_turn();
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(grant, 1, SENDER, "cy@x"), STATUS_OK);
	expect_of_turn("message.refused; answer");
	assert_string_equal(world.message_reply, "501 5.5.4 Bad parameters of MAIL");
}

static void a_message_that_is_complete_goes_on_without_its_session(void **state)
{
	(void)state;
	bring_recipient();
	begin_turn();
	say_data(101, MESSAGE_TEXT, true);
	deliveries_end_session(grant);
	grants_drop(grants, grant);
	deliveries_gate_closed(deliveries, &gate);
	expect_of_turn("charge");
}

static void more_after_its_end_is_no_honest_gates_before_the_turn_is_over_too(void **state)
{
	const struct door_message_data more = { .transaction = 101, .complete = true, .bytes = SPAN("more\r\n") };
	(void)state;
	bring_recipient();
	begin_turn();
	say_data(101, MESSAGE_TEXT, true);
	assert_int_equal(deliveries_take_data(deliveries, &gate, &more), STATUS_INVALID);
	expect_of_turn("charge");
	assert_int_equal(world.charged_bytes, strlen(MESSAGE_TEXT));
}

static void a_message_ahead_of_replies_of_its_turn_is_no_honest_gates(void **state)
{
	const struct door_message_data data = { .transaction = 101, .complete = true, .bytes = SPAN(MESSAGE_TEXT) };
	(void)state;
	bring_envelope();
	begin_turn();
	upstream_says("550 5.1.1 none");
	assert_int_equal(deliveries_take_data(deliveries, &gate, &data), STATUS_INVALID);
	expect_of_turn("replies");
}

/* ---- the relay, the charge and the record at once */

static void a_record_and_a_held_dot_release_it_once(void **state)
{
	(void)state;
	bring_to_handover();
	begin_turn();
	audit_says(STATUS_OK);
	upstream_holds();
	expect_of_turn("DOT");
}

static void a_relay_lost_with_its_record_gets_no_dot(void **state)
{
	(void)state;
	bring_to_handover();
	begin_turn();
	audit_says(STATUS_OK);
	upstream_holds();
	upstream_fails("");
	expect_of_turn("count failed; message.failed 1; B: bob@x");
}

static void a_record_that_fails_with_the_relay_has_one_outcome(void **state)
{
	(void)state;
	bring_to_handover();
	begin_turn();
	audit_says(STATUS_SYSTEM);
	upstream_ends_with(UPSTREAM_MESSAGE, "554 5.7.1 spam", false);
	expect_of_turn("count refused; message.failed 1; refund; answer");
	assert_int_equal(world.leavings, world.outcomes);
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_charge_refused_with_the_relays_end_is_not_given_back(void **state)
{
	(void)state;
	bring_message();
	begin_turn();
	quota_says(QUOTA_DAY_EXCEEDED);
	upstream_fails("");
	world.trace[0] = '\0'; /* quota.exceeded */
	expect_of_turn("message.refused; answer");
	assert_true(span_starts_with(span_of(world.message_reply), SPAN("550 5.4.5 ")));
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_client_that_leaves_with_its_relay_asks_no_other(void **state)
{
	(void)state;
	bring_envelope();
	begin_turn();
	upstream_fails("");
	abort_transaction(101);
	expect_of_turn("");
	assert_int_equal(deliveries_count(deliveries), 0);
}

/* What a relay said of the message is known, however late it is. */
static void a_verdict_that_came_with_the_shutdown_counts(void **state)
{
	(void)state;
	bring_to_dot();
	begin_turn();
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 2.0.0 ok", true);
	assert_string_equal(world.trace, "");
	deliveries_cut(deliveries);
	world.turn_goes_on = false;
	expect_trace("count ok; message.sent 1; settle; answer");
	assert_int_equal(deliveries_count(deliveries), 0);
}

/* ---- those that wait for each other */

static void a_place_set_free_goes_to_those_that_wait_in_the_same_turn(void **state)
{
	struct grant *again = log_in(2, SPAN(SENDER));
	(void)state;
	grant->limits.refused_recipients_per_hour = again->limits.refused_recipients_per_hour = 1;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(again, 1, SENDER, "cy@x"), STATUS_OK);
	expect_trace("A: bob@x");
	begin_turn();
	deliveries_end_session(grant);
	assert_int_equal(say_envelope(again, 1, SENDER, "dee@x"), STATUS_OK);
	expect_of_turn("abort; A: cy@x");
	upstream_says("250 ok");
	expect_trace("replies; more: dee@x");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(groups_of_recipients_are_asked_for_together_and_answered_one_by_one),
		CASE(a_transaction_and_its_end_ask_nobody),
		CASE(an_aborted_transaction_makes_room_for_the_next),
		CASE(what_was_left_is_found_no_more),
		CASE(the_rest_of_a_message_that_is_refused_is_dropped),
		CASE(recipients_of_a_transaction_that_is_refused_hear_of_its_end_only),
		CASE(a_message_that_is_complete_goes_on_without_its_session),
		CASE(more_after_its_end_is_no_honest_gates_before_the_turn_is_over_too),
		CASE(a_message_ahead_of_replies_of_its_turn_is_no_honest_gates),
		CASE(a_record_and_a_held_dot_release_it_once),
		CASE(a_relay_lost_with_its_record_gets_no_dot),
		CASE(a_record_that_fails_with_the_relay_has_one_outcome),
		CASE(a_charge_refused_with_the_relays_end_is_not_given_back),
		CASE(a_client_that_leaves_with_its_relay_asks_no_other),
		CASE(a_verdict_that_came_with_the_shutdown_counts),
		CASE(a_place_set_free_goes_to_those_that_wait_in_the_same_turn),
	};
	return cmocka_run_group_tests_name("relay turns", tests, NULL, NULL);
}
