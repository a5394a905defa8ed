/* Refused recipients: counted before the client hears; no relay is asked for more than may still be refused. */
#include "relay_world.h"

#define SENDER "ann@example.com"
#define HIDDEN "450 4.7.1 Too many of your recipients were refused lately; try again later"

static void limit_refusals(uint64_t limit)
{
	grant->limits.refused_recipients_per_hour = limit;
}

static void accepted_recipients_cost_no_call(void **state)
{
	(void)state;
	limit_refusals(3);
	bring_message();
	assert_int_equal(users_find(services.users, SPAN(SENDER))->probing.in_flight, 0);
}

static void a_refusal_is_counted_before_it_is_heard(void **state)
{
	(void)state;
	limit_refusals(3);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x dee@x"), STATUS_OK);
	expect_trace("A: bob@x cy@x dee@x");
	upstream_says("250 ok|550 5.1.1 none|450 4.1.1 none, for now");
	expect_trace("count 2");
	refused_says(2, 2, false);
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "250 ok|550 5.1.1 none|450 4.1.1 none, for now");
}

static void what_tells_nothing_of_an_address_is_not_counted(void **state)
{
	(void)state;
	limit_refusals(3);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x"), STATUS_OK);
	upstream_says("451 4.7.1 Greylisted|452 4.2.2 Mailbox full");
	expect_trace("A: bob@x cy@x; replies");
	assert_string_equal(world.envelope_reply, "451 4.7.1 Greylisted|452 4.2.2 Mailbox full");
}

static void beyond_the_limit_nobody_hears_which_it_were(void **state)
{
	(void)state;
	limit_refusals(3);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x dee@x"), STATUS_OK);
	upstream_says("550 5.1.1 none|250 ok|550 5.1.1 none");
	expect_trace("A: bob@x cy@x dee@x; count 2");
	refused_says(1, 3, true); /* another node counted two meanwhile */
	expect_trace("quota.exceeded; replies");
	assert_string_equal(world.envelope_reply, "550 5.1.1 none|250 ok|" HIDDEN);
	assert_string_equal(world.record, "ann@example.com//0 /refused recipients");
}

static void then_no_relay_is_asked(void **state)
{
	(void)state;
	limit_refusals(1);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	upstream_says("550 5.1.1 none");
	refused_says(1, 1, true);
	expect_trace("A: bob@x; count 1; quota.exceeded; replies");
	assert_int_equal(say_envelope(grant, 1, SENDER, "cy@x dee@x"), STATUS_OK);
	expect_trace("message.refused; replies");
	assert_string_equal(world.envelope_reply, HIDDEN "|" HIDDEN);
	assert_int_equal(say_envelope(grant, 1, SENDER, "eve@x"), STATUS_OK);
	expect_trace("replies"); /* one record a message */
	assert_string_equal(world.envelope_reply, HIDDEN);
}

static void once_some_are_old_redis_is_asked_anew(void **state)
{
	(void)state;
	limit_refusals(1);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	upstream_says("550 5.1.1 none");
	refused_says(1, 1, true);
	expect_trace("A: bob@x; count 1; quota.exceeded; replies");
	pass_time(62000);
	assert_int_equal(say_envelope(grant, 1, SENDER, "cy@x"), STATUS_OK);
	expect_trace("look");
	refused_says(0, 0, false);
	expect_trace("more: cy@x");
	upstream_says("250 ok");
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "250 ok");
}

static void a_large_group_is_asked_for_in_parts(void **state)
{
	(void)state;
	limit_refusals(2);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x dee@x eve@x fay@x"), STATUS_OK);
	expect_trace("A: bob@x cy@x");
	upstream_says("250 1|250 2");
	expect_trace("more: dee@x eve@x");
	upstream_says("250 3|550 5.1.1 none");
	expect_trace("count 1; more: fay@x"); /* one may be refused still */
	refused_says(1, 1, false);
	upstream_says("250 5");
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "250 1|250 2|250 3|550 5.1.1 none|250 5");
}

static void the_rest_of_a_group_does_not_wait_for_its_own_refusals(void **state)
{
	(void)state;
	limit_refusals(2);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x dee@x eve@x"), STATUS_OK);
	expect_trace("A: bob@x cy@x");
	upstream_says("550 5.1.1 none|550 5.1.1 none");
	expect_trace("count 2");
	refused_says(2, 2, true);
	expect_trace("quota.exceeded; message.refused; replies");
	assert_string_equal(world.envelope_reply, "550 5.1.1 none|550 5.1.1 none|" HIDDEN "|" HIDDEN);
}

static void what_is_beyond_the_limit_stays_hidden_at_the_next_relay(void **state)
{
	(void)state;
	limit_refusals(2);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x dee@x"), STATUS_OK);
	upstream_says("550 5.1.1 none|250 ok");
	expect_trace("A: bob@x cy@x; count 1; more: dee@x");
	refused_says(0, 2, false); /* another node counted two meanwhile */
	upstream_fails("");
	expect_trace("B: cy@x dee@x");
	upstream_says("250 ok|250 ok");
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, HIDDEN "|250 ok|250 ok");
}

static void the_others_of_a_user_wait_until_it_is_known(void **state)
{
	struct grant *again = log_in(2, SPAN(SENDER));
	(void)state;
	limit_refusals(1);
	again->limits.refused_recipients_per_hour = 1;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(again, 1, SENDER, "cy@x"), STATUS_OK);
	expect_trace("A: bob@x");
	upstream_says("550 5.1.1 none");
	expect_trace("count 1");
	refused_says(1, 1, true);
	expect_trace("quota.exceeded; replies; message.refused; replies");
	assert_string_equal(world.envelope_reply, HIDDEN);
}

static void one_that_waits_may_leave(void **state)
{
	struct grant *again = log_in(2, SPAN(SENDER));
	(void)state;
	limit_refusals(1);
	again->limits.refused_recipients_per_hour = 1;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(again, 1, SENDER, "cy@x"), STATUS_OK);
	deliveries_end_session(again);
	expect_trace("A: bob@x");
	upstream_says("250 ok");
	expect_trace("replies");
	assert_int_equal(deliveries_count(deliveries), 1);
}

static void one_that_ends_lets_those_that_wait_go_on(void **state)
{
	struct grant *again = log_in(2, SPAN(SENDER));
	(void)state;
	limit_refusals(1);
	again->limits.refused_recipients_per_hour = 1;
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(again, 1, SENDER, "cy@x"), STATUS_OK);
	deliveries_end_session(grant);
	expect_trace("A: bob@x; abort; A: cy@x");
}

static void without_redis_a_refusal_is_temporary(void **state)
{
	(void)state;
	limit_refusals(3);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x"), STATUS_OK);
	world.refused_broken = true;
	upstream_says("250 ok|550 5.1.1 none");
	expect_trace("A: bob@x cy@x; replies");
	assert_string_equal(world.envelope_reply, "250 ok|451 4.3.0 Quota service unavailable; try again later");
	world.refused_broken = false;
	assert_int_equal(say_envelope(grant, 1, SENDER, "dee@x"), STATUS_OK);
	upstream_says("550 5.1.1 none");
	expect_trace("more: dee@x; count 1");
	refused_callback *callback = world.counted;
	world.counted = NULL;
	callback(world.counted_context, NULL);
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "451 4.3.0 Quota service unavailable; try again later");
}

static void a_session_may_end_while_its_refusals_are_counted(void **state)
{
	(void)state;
	limit_refusals(3);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x"), STATUS_OK);
	upstream_says("550 5.1.1 none");
	expect_trace("A: bob@x; count 1");
	deliveries_end_session(grant);
	end_turn();
	world.trace[0] = '\0';
	refused_says(1, 1, false);
	expect_trace("");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void the_next_relay_of_the_route_counts_nothing_twice(void **state)
{
	(void)state;
	limit_refusals(5);
	assert_int_equal(say_envelope(grant, 1, SENDER, "bob@x cy@x"), STATUS_OK);
	upstream_says("550 5.1.1 none|250 ok");
	refused_says(1, 1, false);
	assert_int_equal(say_envelope(grant, 1, SENDER, "dee@x"), STATUS_OK);
	expect_trace("A: bob@x cy@x; count 1; replies; more: dee@x");
	upstream_fails("");
	expect_trace("B: cy@x dee@x");
	upstream_says("250 ok|550 5.1.1 none");
	expect_trace("count 1");
	refused_says(1, 2, false);
	expect_trace("replies");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(accepted_recipients_cost_no_call),
		IN_WORLD(a_refusal_is_counted_before_it_is_heard),
		IN_WORLD(what_tells_nothing_of_an_address_is_not_counted),
		IN_WORLD(beyond_the_limit_nobody_hears_which_it_were),
		IN_WORLD(then_no_relay_is_asked),
		IN_WORLD(once_some_are_old_redis_is_asked_anew),
		IN_WORLD(a_large_group_is_asked_for_in_parts),
		IN_WORLD(the_rest_of_a_group_does_not_wait_for_its_own_refusals),
		IN_WORLD(what_is_beyond_the_limit_stays_hidden_at_the_next_relay),
		IN_WORLD(the_others_of_a_user_wait_until_it_is_known),
		IN_WORLD(one_that_waits_may_leave),
		IN_WORLD(one_that_ends_lets_those_that_wait_go_on),
		IN_WORLD(without_redis_a_refusal_is_temporary),
		IN_WORLD(a_session_may_end_while_its_refusals_are_counted),
		IN_WORLD(the_next_relay_of_the_route_counts_nothing_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
