/* A message from its envelope to its answer: what must come before what, and what each outcome makes of it. */
#include "relay_world.h"

static void a_message_is_charged_recorded_sent_and_answered(void **state)
{
	(void)state;
	bring_envelope();
	upstream_says("250 2.1.5 OK bob");
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "250 2.1.5 OK bob");
	say_data(101, "Subject: x\r\n", false);
	say_data(101, "\r\nhello\r\n", true);
	expect_trace("charge");
	assert_int_equal(world.charged_recipients, 1);
	assert_int_equal(world.charged_bytes, 21);
	quota_says(QUOTA_GRANTED);
	expect_trace("message.leaving 1; send");
	audit_says(STATUS_OK);
	expect_trace("");
	upstream_holds();
	expect_trace("DOT");
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 2.0.0 queued as 42", true);
	expect_trace("count ok; message.sent 1; settle; answer");
	assert_true(span_starts_with(span_of(world.message_reply), SPAN("250 2.0.0 queued as 42 [")));
	assert_string_equal(world.record, "ann@example.com/A/250 queued as 42/bob@x 250/");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void the_charge_names_strangers_and_leaves_out_colleagues(void **state)
{
	(void)state;
	assert_int_equal(
		say_envelope(grant, 1, "ann@example.com", "bob@partner.test carl@EXAMPLE.com eve@sub.example.com"),
		STATUS_OK);
	for (int i = 0; i < 3; i++)
		upstream_says("250 2.1.5 OK");
	say_data(101, MESSAGE_TEXT, true);
	assert_string_equal(world.charged_strangers, "bob@partner.test eve@sub.example.com ");
	quota_says(QUOTA_DAY_EXCEEDED);
}

/* Where senders are not enforced, what is typed as sender makes nobody a colleague. */
static void a_sender_that_is_not_the_users_makes_no_colleagues(void **state)
{
	struct span addresses[] = { SPAN("ann@example.com"), SPAN("@sister.test"), SPAN("*") };
	const struct span_list own = grant->senders;
	(void)state;
	config.sender.envelope = SENDER_OFF;
	grant->senders = (struct span_list){ addresses, 3 };
	assert_int_equal(say_envelope(grant, 1, "ann@partner.test", "bob@partner.test carl@sister.test"), STATUS_OK);
	upstream_says("250 2.1.5 OK");
	upstream_says("250 2.1.5 OK");
	say_data(101, MESSAGE_TEXT, true);
	assert_string_equal(world.charged_strangers, "bob@partner.test ");
	quota_says(QUOTA_DAY_EXCEEDED);
	grant->senders = own;
}

static void recipients_beyond_those_of_the_section_are_surplus(void **state)
{
	(void)state;
	grant->limits.recipients_per_message = 2;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "a@x b@x c@x d@x"), STATUS_OK);
	expect_trace("A: a@x b@x");
	upstream_says("250 2.1.5 OK");
	upstream_says("250 2.1.5 OK");
	assert_string_equal(world.envelope_reply, "250 2.1.5 OK|250 2.1.5 OK|452 4.5.3 Too many recipients|"
						  "452 4.5.3 Too many recipients");
}

static void the_dot_waits_for_the_record(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	upstream_holds();
	expect_trace("message.leaving 1; send");
	audit_says(STATUS_OK);
	expect_trace("DOT");
}

/* The upstream's word comes first as a rule, and then the record need not wake anybody. */
static void the_record_is_claimed_once_the_dot_waits_for_nothing_else(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	expect_trace("message.leaving 1; send");
	assert_true(world.is_ahead);
	assert_int_equal(world.claims, 0);
	upstream_holds();
	assert_int_equal(world.claims, 1);
	audit_says(STATUS_OK);
	expect_trace("DOT");
	assert_int_equal(world.claims, 1);
}

static void the_record_of_an_attempt_that_is_over_is_claimed(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	upstream_ends_with(UPSTREAM_MESSAGE, "554 5.7.1 no", false);
	assert_int_equal(world.claims, 1);
	audit_says(STATUS_OK);
	end_turn();
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void nothing_goes_upstream_before_the_charge(void **state)
{
	(void)state;
	bring_message();
	pass_time(2000);
	expect_trace("");
	assert_null(world.written);
	quota_says(QUOTA_GRANTED);
	expect_trace("message.leaving 1; send");
}

static void a_record_that_cannot_be_written_stops_the_message(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	upstream_holds();
	expect_trace("message.leaving 1; send");
	audit_says(STATUS_SYSTEM);
	expect_trace("abort; message.failed 1; refund; answer");
	assert_string_equal(world.message_reply, "451 4.3.0 Audit unavailable; try again later");
	assert_string_equal(world.refunded, world.token);
	assert_int_equal(deliveries_count(deliveries), 0);
}

/* Redis is away: what was borrowed before covers the message, and has it back. */
static void what_was_charged_locally_is_given_back_locally(void **state)
{
	(void)state;
	world.quota_is_local = true;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("A: bob@x; replies; message.leaving 1; send");
	upstream_holds();
	audit_says(STATUS_SYSTEM);
	expect_trace("abort; message.failed 1; local refund 1 of 21 bytes; answer");
}

static void a_full_audit_stops_the_message(void **state)
{
	(void)state;
	bring_message();
	world.audit_full = true;
	quota_says(QUOTA_GRANTED);
	expect_trace("no room for message.leaving; abort; no room for message.refused; refund; answer");
	assert_string_equal(world.message_reply, "451 4.3.0 Audit unavailable; try again later");
}

static void an_outcome_the_audit_cannot_take_is_tried_until_it_can(void **state)
{
	(void)state;
	bring_to_dot();
	world.audit_full = true;
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 ok", true);
	expect_trace("count ok; no room for message.sent; settle; answer");
	pass_time(1000);
	expect_trace("no room for message.sent");
	assert_int_equal(deliveries_count(deliveries), 1);
	world.audit_full = false;
	pass_time(1000);
	expect_trace("message.sent 1");
	assert_string_equal(world.record, "ann@example.com/A/250 ok/bob@x 250/");
	assert_int_equal(deliveries_count(deliveries), 0);
	pass_time(60000);
	expect_trace("");
}

struct outcome_case {
	const char *what;
	enum upstream_class class;
	const char *reply;
	const char *answer;
	const char *trace;
};

static const struct outcome_case outcome_cases[] = {
	{ "a refusal of the message reaches the client as it is, and is refunded", UPSTREAM_MESSAGE,
	  "552 5.2.3 too big for us", "552 5.2.3 too big for us", "count refused; message.failed 1; refund; answer" },
	{ "a refusal of the sender too", UPSTREAM_SENDER, "553 5.1.8 unknown sender", "553 5.1.8 unknown sender",
	  "count refused; message.failed 1; refund; answer" },
	{ "the upstream's word about our login does not", UPSTREAM_MESSAGE, "535 5.7.8 bad password of relay@corp",
	  "451 4.4.1 Relay not available; try again later", "count refused; message.failed 1; refund; answer" },
	{ "a lost connection is unknown and never refunded", UPSTREAM_UNKNOWN, "",
	  "451 4.4.2 Connection to the relay lost; the message may have been delivered",
	  "count unknown; message.unknown 1; settle; answer" },
	{ "trouble without a reply after the dot is unknown too", UPSTREAM_TRANSPORT, "",
	  "451 4.4.2 Connection to the relay lost; the message may have been delivered",
	  "count unknown; message.unknown 1; settle; answer" },
	{ "so is a reply that is none", UPSTREAM_TRANSPORT, "354 go on",
	  "451 4.4.2 Connection to the relay lost; the message may have been delivered",
	  "count unknown; message.unknown 1; settle; answer" },
};

static void each_outcome_makes_one_record_and_one_answer(void **state)
{
	for (size_t i = 0; i < sizeof(outcome_cases) / sizeof(*outcome_cases); i++) {
		const struct outcome_case *c = &outcome_cases[i];
		print_message("  %s\n", c->what);
		bring_to_dot();
		upstream_ends_with(c->class, c->reply, true);
		expect_trace(c->trace);
		assert_string_equal(world.message_reply, c->answer);
		assert_int_equal(world.leavings, 1);
		assert_int_equal(world.outcomes, 1);
		assert_int_equal(deliveries_count(deliveries), 0);
		world_end(state);
		world_begin(state);
	}
}

static void a_multi_line_reply_keeps_its_lines(void **state)
{
	(void)state;
	bring_to_dot();
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 2.6.0 one\ntwo", true);
	assert_true(span_starts_with(span_of(world.message_reply), SPAN("250 2.6.0 one\ntwo [")));
}

static void the_message_goes_to_its_end_when_the_gate_is_gone(void **state)
{
	(void)state;
	bring_message();
	deliveries_end_session(grant);
	grants_drop(grants, grant);
	deliveries_gate_closed(deliveries, &gate);
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_holds();
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 ok", true);
	expect_trace("message.leaving 1; send; DOT; count ok; message.sent 1; settle");
	assert_string_equal(world.message_reply, "");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_session_that_ends_before_the_message_is_complete_takes_it_along(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, "Subject: half\r\n", false);
	deliveries_end_session(grant);
	expect_trace("A: bob@x; replies; abort");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_gate_that_goes_before_the_message_is_complete_takes_it_along(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	deliveries_gate_closed(deliveries, &gate);
	expect_trace("A: bob@x; abort");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void an_aborted_transaction_is_recorded_with_the_gates_reason(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	struct door_transaction_aborted aborted = {
		.session = 1, .transaction = 101, .reply = SPAN("550 5.7.1 From: not yours"), .reason = SPAN("from")
	};
	deliveries_abort(deliveries, &gate, grant, &aborted);
	expect_trace("A: bob@x; replies; message.refused; abort");
	assert_string_equal(world.record, "ann@example.com//550 From: not yours/bob@x 250/from");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_refusal_of_a_transaction_never_seen_is_recorded_too(void **state)
{
	(void)state;
	struct door_transaction_aborted aborted = {
		.session = 1, .transaction = 999, .reply = SPAN("552 5.3.4 too large"), .reason = SPAN("size")
	};
	deliveries_abort(deliveries, &gate, grant, &aborted);
	expect_trace("message.refused");
	assert_string_equal(world.record, "ann@example.com//552 too large/size");
}

static void an_abort_behind_the_end_of_the_message_is_too_late(void **state)
{
	(void)state;
	bring_message();
	struct door_transaction_aborted aborted = { .session = 1, .transaction = 101 };
	deliveries_abort(deliveries, &gate, grant, &aborted);
	expect_trace("");
	assert_int_equal(deliveries_count(deliveries), 1);
}

static void a_new_transaction_of_the_session_ends_the_open_one(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(grant, 2, "ann@example.com", "cy@x"), STATUS_OK);
	expect_trace("A: bob@x; abort; A: cy@x");
	assert_int_equal(deliveries_count(deliveries), 1);
}

#define ANSWER_TRANSACTION_OVER_TEXT "451 4.4.2 The transaction was given up after a long silence; please send it again"

static void a_silent_gate_loses_its_transaction(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	pass_time(329000);
	say_data(101, "Subject: x\r\n", false);
	pass_time(329000);
	expect_trace("A: bob@x; replies");
	pass_time(2000);
	expect_trace("answer; abort");
	assert_string_equal(world.message_reply, ANSWER_TRANSACTION_OVER_TEXT);
	assert_int_equal(deliveries_count(deliveries), 0);
}

/* Its first recipients were answered with 250: a message for the others alone would be a loss that nobody hears of. */
static void what_was_given_up_does_not_begin_anew(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 2, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	pass_time(331000);
	expect_trace("A: bob@x; replies; answer; abort");
	world.message_reply[0] = '\0';
	assert_int_equal(say_envelope(grant, 2, "ann@example.com", "cy@x"), STATUS_OK);
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "cy@x"), STATUS_OK);
	expect_trace("answer; answer");
	assert_string_equal(world.message_reply, ANSWER_TRANSACTION_OVER_TEXT);
	assert_int_equal(say_envelope(grant, 3, "ann@example.com", "cy@x"), STATUS_OK);
	expect_trace("A: cy@x");
}

static void nobody_waits_longer_than_40_s_for_the_dot(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	pass_time(39999);
	expect_trace("message.leaving 1; send");
	pass_time(1);
	expect_trace("abort; message.failed 1; refund; answer");
	assert_string_equal(world.message_reply, "451 4.4.1 Relay not available; try again later");
}

static void behind_the_dot_the_verdict_is_waited_for_up_to_50_s_in_all(void **state)
{
	(void)state;
	bring_message();
	pass_time(2000);
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_holds();
	assert_int_equal(world.verdict_ms, 48000);
	world.trace[0] = '\0';
	pass_time(120000);
	expect_trace("");
	upstream_ends_with(UPSTREAM_UNKNOWN, "", true);
	expect_trace("count unknown; message.unknown 1; settle; answer");
}

static void an_upstream_that_ended_before_it_heard_of_the_dot_did_not_get_it(void **state)
{
	(void)state;
	routes[0].relays.count = 1;
	bring_to_dot();
	upstream_ends_with(UPSTREAM_TRANSPORT, "", false);
	expect_trace("count failed; message.failed 1; refund; answer");
}

static void a_cut_before_the_dot_fails_and_refunds(void **state)
{
	(void)state;
	bring_to_handover();
	deliveries_cut(deliveries);
	expect_trace("abort; message.failed 1; refund; answer");
	assert_string_equal(world.message_reply, "451 4.3.2 Shutting down; try again later");
	assert_int_equal(deliveries_count(deliveries), 1);
	audit_says(STATUS_OK);
	expect_trace("");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_cut_behind_the_dot_is_unknown_and_not_taken_back(void **state)
{
	(void)state;
	bring_to_dot();
	deliveries_cut(deliveries);
	expect_trace("count unknown; message.unknown 1; settle; answer");
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 ok", true);
	expect_trace("");
	assert_int_equal(world.outcomes, 1);
	assert_int_equal(deliveries_count(deliveries), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_message_is_charged_recorded_sent_and_answered),
		CASE(the_charge_names_strangers_and_leaves_out_colleagues),
		CASE(a_sender_that_is_not_the_users_makes_no_colleagues),
		CASE(recipients_beyond_those_of_the_section_are_surplus),
		CASE(the_dot_waits_for_the_record),
		CASE(the_record_is_claimed_once_the_dot_waits_for_nothing_else),
		CASE(the_record_of_an_attempt_that_is_over_is_claimed),
		CASE(nothing_goes_upstream_before_the_charge),
		CASE(a_record_that_cannot_be_written_stops_the_message),
		CASE(what_was_charged_locally_is_given_back_locally),
		CASE(a_full_audit_stops_the_message),
		CASE(an_outcome_the_audit_cannot_take_is_tried_until_it_can),
		CASE(each_outcome_makes_one_record_and_one_answer),
		CASE(a_multi_line_reply_keeps_its_lines),
		CASE(the_message_goes_to_its_end_when_the_gate_is_gone),
		CASE(a_session_that_ends_before_the_message_is_complete_takes_it_along),
		CASE(a_gate_that_goes_before_the_message_is_complete_takes_it_along),
		CASE(an_aborted_transaction_is_recorded_with_the_gates_reason),
		CASE(a_refusal_of_a_transaction_never_seen_is_recorded_too),
		CASE(an_abort_behind_the_end_of_the_message_is_too_late),
		CASE(a_new_transaction_of_the_session_ends_the_open_one),
		CASE(a_silent_gate_loses_its_transaction),
		CASE(what_was_given_up_does_not_begin_anew),
		CASE(nobody_waits_longer_than_40_s_for_the_dot),
		CASE(behind_the_dot_the_verdict_is_waited_for_up_to_50_s_in_all),
		CASE(an_upstream_that_ended_before_it_heard_of_the_dot_did_not_get_it),
		CASE(a_cut_before_the_dot_fails_and_refunds),
		CASE(a_cut_behind_the_dot_is_unknown_and_not_taken_back),
	};
	return cmocka_run_group_tests_name("relay delivery", tests, NULL, NULL);
}
