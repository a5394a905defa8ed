/* One relay fails, the next takes over: when it may, and when it must not. */
#include "relay_world.h"

static void the_next_relay_is_asked_before_the_client_hears_anything(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x cy@x"), STATUS_OK);
	upstream_fails("");
	expect_trace("A: bob@x cy@x; B: bob@x cy@x");
	upstream_says("250 ok|550 5.1.1 no such user");
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "250 ok|550 5.1.1 no such user");
}

static void replies_that_the_client_has_not_heard_are_forgotten_with_their_relay(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x cy@x"), STATUS_OK);
	upstream_says("550 5.1.1 says A");
	upstream_fails("");
	upstream_says("250 says B|250 says B");
	expect_trace("A: bob@x cy@x; B: bob@x cy@x; replies");
	assert_string_equal(world.envelope_reply, "250 says B|250 says B");
}

static void a_relay_that_cannot_even_be_asked_is_passed_over(void **state)
{
	(void)state;
	world.relay_is_down[0] = true;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("B: bob@x");
}

static void without_another_relay_the_client_hears_451_and_not_the_upstreams_words(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_fails("535 5.7.8 relay@corp: wrong password");
	upstream_fails("421 4.7.0 go away");
	expect_trace("A: bob@x; B: bob@x; message.refused; replies");
	assert_string_equal(world.envelope_reply, "451 4.4.1 Relay not available; try again later");
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "cy@x"), STATUS_OK);
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "451 4.4.1 Relay not available; try again later");
}

static void a_sender_refused_upstream_is_told_to_the_client(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_ends_with(UPSTREAM_SENDER, "553 5.1.8 not from here", false);
	expect_trace("A: bob@x; message.refused; replies");
	assert_string_equal(world.envelope_reply, "553 5.1.8 not from here");
}

static void what_one_relay_has_not_another_may_have(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_ends_with(UPSTREAM_UNABLE, "553 5.6.7 no SMTPUTF8", false);
	upstream_says("250 ok");
	expect_trace("A: bob@x; B: bob@x; replies");
	assert_string_equal(world.envelope_reply, "250 ok");
}

static void only_when_none_of_them_has_it_the_refusal_is_final(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_ends_with(UPSTREAM_UNABLE, "553 5.6.7 no SMTPUTF8", false);
	upstream_ends_with(UPSTREAM_UNABLE, "553 5.6.7 nor here", false);
	assert_string_equal(world.envelope_reply, "553 5.6.7 nor here");
	assert_int_equal(say_envelope(grant, 2, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_fails("");
	upstream_ends_with(UPSTREAM_UNABLE, "553 5.6.7 no SMTPUTF8", false);
	assert_string_equal(world.envelope_reply, "451 4.4.1 Relay not available; try again later");
}

/* Nobody said BODY=8BITMIME: what is in the message counts, once it is here. */
static void eight_bit_bytes_are_told_to_each_relay(void **state)
{
	(void)state;
	world.mail_parameters = "SIZE=20";
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	assert_false(world.begin_eight_bit);
	upstream_says("250 ok");
	say_data(101, "Subject: \xF6\r\n\r\nhello\r\n", true);
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	assert_true(world.send_eight_bit);
	upstream_ends_with(UPSTREAM_UNABLE, "554 5.6.3 no 8BITMIME", false);
	assert_true(world.begin_eight_bit);
	upstream_ends_with(UPSTREAM_UNABLE, "554 5.6.3 nor here", false);
	assert_string_equal(world.message_reply, "554 5.6.3 nor here");
}

static void recipients_promised_move_to_the_next_relay_without_those_refused(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x cy@x"), STATUS_OK);
	upstream_says("250 ok|550 5.1.1 no");
	upstream_fails("");
	expect_trace("A: bob@x cy@x; replies; B: bob@x");
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("");
	upstream_says("250 ok");
	expect_trace("charge");
	assert_int_equal(world.charged_recipients, 1);
}

static void a_promise_that_no_relay_keeps_is_told_with_the_data(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	upstream_fails("");
	upstream_says("550 5.1.1 not here");
	expect_trace("A: bob@x; replies; B: bob@x; abort; message.refused");
	assert_string_equal(world.message_reply, "");
	say_data(101, "Subject: x\r\n", false);
	expect_trace("answer");
	assert_string_equal(world.message_reply, "451 4.4.1 Relay not available; try again later");
	say_data(101, "\r\nhello\r\n", true);
	expect_trace("");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_relay_lost_amid_the_clients_data_is_replaced(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, "Subject: x\r\n", false);
	upstream_fails("");
	upstream_says("250 ok");
	say_data(101, "\r\nhello\r\n", true);
	expect_trace("A: bob@x; replies; B: bob@x; charge");
}

static void the_last_relay_lost_amid_the_clients_data_is_told_at_once(void **state)
{
	(void)state;
	routes[0].relays.count = 1;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, "Subject: x\r\n", false);
	upstream_fails("");
	expect_trace("A: bob@x; replies; message.refused; answer");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void before_the_dot_the_next_relay_gets_the_whole_message_under_one_charge(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	pass_time(10000);
	upstream_fails("");
	expect_trace("message.leaving 1; send; count failed; message.failed 1; B: bob@x");
	assert_int_equal(world.begin_limit_ms, 30000);
	assert_int_equal(world.begin_size, strlen(MESSAGE_TEXT));
	upstream_says("250 ok");
	expect_trace("message.leaving 2; send");
	audit_says(STATUS_OK);
	upstream_holds();
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 ok", true);
	expect_trace("DOT; count ok; message.sent 2; settle; answer");
	assert_int_equal(world.leavings, 2);
	assert_int_equal(world.outcomes, 2);
}

/* ---- another sender */

static void a_relay_that_wants_its_own_sender_gets_a_copy_and_the_next_one_the_original(void **state)
{
	(void)state;
	relays[0].rewrite_sender = "relay@example.com";
	bring_message();
	assert_string_equal(world.begin_from, "relay@example.com");
	quota_says(QUOTA_GRANTED);
	expect_trace("rewrite as relay@example.com");
	rewriting_says(STATUS_OK, 12);
	expect_trace("message.leaving 1; send");
	assert_int_equal(world.send_size, strlen(MESSAGE_TEXT) + 12);
	audit_says(STATUS_OK);
	upstream_fails("");
	assert_string_equal(world.begin_from, "ann@example.com");
	upstream_says("250 ok");
	audit_says(STATUS_OK);
	assert_int_equal(world.send_size, strlen(MESSAGE_TEXT));
	upstream_holds();
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 ok", true);
	assert_int_equal(deliveries_count(deliveries), 0);
	relays[0].rewrite_sender = NULL;
}

static void a_copy_that_can_not_be_made_is_the_relays_failure(void **state)
{
	(void)state;
	relays[0].rewrite_sender = "relay@example.com";
	bring_message();
	quota_says(QUOTA_GRANTED);
	rewriting_says(STATUS_TOO_LARGE, 0);
	expect_trace("rewrite as relay@example.com; abort; count failed; B: bob@x");
	upstream_fails("");
	expect_trace("count failed; message.refused; refund; answer");
	relays[0].rewrite_sender = NULL;
}

static void a_copy_ends_with_its_attempt(void **state)
{
	(void)state;
	relays[0].rewrite_sender = "relay@example.com";
	bring_message();
	quota_says(QUOTA_GRANTED);
	upstream_fails("");
	expect_trace("rewrite as relay@example.com; rewriting cancelled; count failed; B: bob@x");
	relays[0].rewrite_sender = NULL;
}

/* ---- time */

static void relays_share_the_time_of_the_envelope(void **state)
{
	(void)state;
	pass_time(1000);
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	assert_int_equal(world.begin_limit_ms, 25000);
	pass_time(25000);
	upstream_fails("");
	assert_int_equal(world.begin_limit_ms, 25000);
	pass_time(25000);
	upstream_fails("");
	expect_trace("A: bob@x; B: bob@x; message.refused; replies");
}

static void relays_share_the_time_behind_the_dot(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	assert_int_equal(world.step_ms, 20000);
	audit_says(STATUS_OK);
	pass_time(20000);
	upstream_fails("");
	assert_int_equal(world.begin_limit_ms, 20000);
	upstream_says("250 ok");
	assert_int_equal(world.step_ms, 20000);
	audit_says(STATUS_OK);
	pass_time(15000);
	upstream_holds();
	assert_int_equal(world.verdict_ms, 15000);
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 ok", true);
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void the_record_of_a_lost_attempt_does_not_release_the_next_ones_dot(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	upstream_fails("");
	audit_callback *late = world.written;
	void *late_context = world.written_context;
	world.written = NULL;
	upstream_says("250 ok");
	upstream_holds();
	expect_trace("message.leaving 1; send; count failed; message.failed 1; B: bob@x; message.leaving 2; send");
	late(late_context, STATUS_OK);
	expect_trace("");
	audit_says(STATUS_OK);
	expect_trace("DOT");
}

static void a_relay_lost_while_the_charge_is_asked_is_replaced_meanwhile(void **state)
{
	(void)state;
	bring_message();
	upstream_fails("");
	expect_trace("count failed; B: bob@x");
	quota_says(QUOTA_GRANTED);
	expect_trace("");
	upstream_says("250 ok");
	expect_trace("message.leaving 2; send");
}

static void an_account_refused_at_the_dot_for_certain_makes_the_next_relay_try(void **state)
{
	(void)state;
	bring_to_dot();
	upstream_ends_with(UPSTREAM_TRANSPORT, "550 5.4.5 Daily user sending limit exceeded", true);
	expect_trace("count failed; message.failed 1; B: bob@x");
	upstream_says("250 ok");
	audit_says(STATUS_OK);
	upstream_holds();
	expect_trace("message.leaving 2; send; DOT");
}

static void an_unknown_outcome_is_the_last(void **state)
{
	(void)state;
	bring_to_dot();
	upstream_ends_with(UPSTREAM_UNKNOWN, "", true);
	expect_trace("count unknown; message.unknown 1; settle; answer");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_refusal_of_the_message_is_the_last(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	upstream_ends_with(UPSTREAM_MESSAGE, "554 5.7.1 spam", false);
	expect_trace("message.leaving 1; send; count refused; message.failed 1; refund; answer");
	assert_string_equal(world.message_reply, "554 5.7.1 spam");
}

static void what_a_later_relay_thinks_of_the_sender_is_not_the_clients_fault(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_fails("");
	upstream_ends_with(UPSTREAM_SENDER, "553 5.1.8 not from here", false);
	expect_trace("message.leaving 1; send; count failed; message.failed 1; B: bob@x; count failed; refund; answer");
	assert_string_equal(world.message_reply, "451 4.4.1 Relay not available; try again later");
}

static void when_all_relays_fail_the_charge_is_given_back_once(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_fails("");
	upstream_says("250 ok");
	audit_says(STATUS_OK);
	upstream_fails("");
	expect_trace("message.leaving 1; send; count failed; message.failed 1; B: bob@x; message.leaving 2; send; "
		     "count failed; message.failed 2; refund; answer");
	assert_string_equal(world.refunded, world.token);
	assert_int_equal(world.leavings, world.outcomes);
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_disk_of_ours_that_fails_is_not_said_to_be_the_relays_fault(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_ends_with(UPSTREAM_STORAGE, "", false);
	upstream_says("250 ok");
	audit_says(STATUS_OK);
	upstream_ends_with(UPSTREAM_STORAGE, "", false);
	assert_string_equal(world.message_reply, "451 4.3.0 Storage failed; try again later");
	assert_string_equal(world.refunded, world.token);
}

static void without_an_audit_nothing_goes_to_the_next_relay(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	world.audit_full = true;
	upstream_fails("");
	expect_trace("message.leaving 1; send; count failed; no room for message.failed; refund; answer");
	world.audit_full = false;
	pass_time(1000);
	expect_trace("message.failed 1");
}

/* An administrator may ask for more than the client's usual patience, or for less, and gets just that. */
static void the_verdict_is_waited_for_as_long_as_the_relays_section_says(void **state)
{
	static const struct {
		uint64_t timeout_ms, passed_ms, verdict_ms;
	} cases[] = {
		{ 50000, 0, 50000 },       { 50000, 30000, 20000 }, { 180000, 0, 180000 },
		{ 180000, 30000, 180000 }, { 15000, 10000, 15000 }, { 15000, 38000, 12000 },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		relays[0].reply_timeout = cases[i].timeout_ms;
		assert_int_equal(say_envelope(grant, i + 1, "ann@example.com", "bob@x"), STATUS_OK);
		upstream_says("250 2.1.5 OK");
		say_data(101 + i, MESSAGE_TEXT, true);
		quota_says(QUOTA_GRANTED);
		audit_says(STATUS_OK);
		pass_time(cases[i].passed_ms);
		upstream_holds();
		assert_int_equal(world.verdict_ms, cases[i].verdict_ms);
		upstream_ends_with(UPSTREAM_ACCEPTED, "250 ok", true);
	}
	relays[0].reply_timeout = 50000;
}

static void behind_50_s_no_further_relay_is_tried(void **state)
{
	(void)state;
	bring_to_dot();
	pass_time(60000);
	upstream_ends_with(UPSTREAM_TRANSPORT, "451 4.3.0 later", true);
	expect_trace("count failed; message.failed 1; refund; answer");
	assert_string_equal(world.message_reply, "451 4.4.1 Relay not available; try again later");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_next_relay_is_asked_before_the_client_hears_anything),
		CASE(replies_that_the_client_has_not_heard_are_forgotten_with_their_relay),
		CASE(a_relay_that_cannot_even_be_asked_is_passed_over),
		CASE(what_one_relay_has_not_another_may_have),
		CASE(only_when_none_of_them_has_it_the_refusal_is_final),
		CASE(without_another_relay_the_client_hears_451_and_not_the_upstreams_words),
		CASE(a_sender_refused_upstream_is_told_to_the_client),
		CASE(recipients_promised_move_to_the_next_relay_without_those_refused),
		CASE(a_promise_that_no_relay_keeps_is_told_with_the_data),
		CASE(a_relay_lost_amid_the_clients_data_is_replaced),
		CASE(the_last_relay_lost_amid_the_clients_data_is_told_at_once),
		CASE(eight_bit_bytes_are_told_to_each_relay),
		CASE(before_the_dot_the_next_relay_gets_the_whole_message_under_one_charge),
		CASE(a_relay_that_wants_its_own_sender_gets_a_copy_and_the_next_one_the_original),
		CASE(a_copy_that_can_not_be_made_is_the_relays_failure),
		CASE(a_copy_ends_with_its_attempt),
		CASE(relays_share_the_time_of_the_envelope),
		CASE(relays_share_the_time_behind_the_dot),
		CASE(the_record_of_a_lost_attempt_does_not_release_the_next_ones_dot),
		CASE(a_relay_lost_while_the_charge_is_asked_is_replaced_meanwhile),
		CASE(an_account_refused_at_the_dot_for_certain_makes_the_next_relay_try),
		CASE(an_unknown_outcome_is_the_last),
		CASE(a_refusal_of_the_message_is_the_last),
		CASE(what_a_later_relay_thinks_of_the_sender_is_not_the_clients_fault),
		CASE(when_all_relays_fail_the_charge_is_given_back_once),
		CASE(a_disk_of_ours_that_fails_is_not_said_to_be_the_relays_fault),
		CASE(without_an_audit_nothing_goes_to_the_next_relay),
		CASE(the_verdict_is_waited_for_as_long_as_the_relays_section_says),
		CASE(behind_50_s_no_further_relay_is_tried),
	};
	return cmocka_run_group_tests_name("relay failover", tests, NULL, NULL);
}
