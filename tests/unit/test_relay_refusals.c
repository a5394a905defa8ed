/* What is refused before anything leaves: who, as whom, to whom, how much, and what a gate taken over might try. */
#include "relay_world.h"

static void expect_refusal(const char *from, const char *recipients, const char *replies)
{
	assert_int_equal(say_envelope(grant, 1, from, recipients), STATUS_OK);
	expect_trace("message.refused; replies");
	assert_string_equal(world.envelope_reply, replies);
}

static void a_sender_that_is_not_the_users_is_refused(void **state)
{
	(void)state;
	expect_refusal("boss@example.com", "bob@x", "553 5.7.1 Sender address not owned by the user who logged in");
}

static void a_sender_that_is_no_address_is_refused(void **state)
{
	(void)state;
	expect_refusal("ann@example.com> SIZE=1\r\nRCPT TO:<x@y", "bob@x", "501 5.1.7 Bad sender address syntax");
}

static void in_audit_mode_a_foreign_sender_passes_and_is_noted(void **state)
{
	(void)state;
	config.sender.envelope = SENDER_AUDIT;
	assert_int_equal(say_envelope(grant, 1, "boss@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, MESSAGE_TEXT, true);
	quota_says(QUOTA_GRANTED);
	expect_trace("A: bob@x; replies; charge; message.leaving 1; send");
	assert_string_equal(world.record,
			    "ann@example.com/A/0 /bob@x 250/sender <boss@example.com> not owned by the user");
}

static void bad_recipients_are_refused_and_never_asked_for(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x a\r\nDATA@x cy@x"), STATUS_OK);
	expect_trace("A: bob@x cy@x");
	upstream_says("250 one|250 two");
	assert_string_equal(world.envelope_reply, "250 one|501 5.1.3 Bad recipient address syntax|250 two");
}

static void parameters_of_dsn_reach_the_upstream(void **state)
{
	(void)state;
	world.mail_parameters = "RET=HDRS ENVID=a+2Bb";
	world.rcpt_parameters = "NOTIFY=NEVER ORCPT=rfc822;bob@x";
	bring_envelope();
	assert_string_equal(world.begin_parameters, "HDRS|a+2Bb|NOTIFY=NEVER ORCPT=rfc822;bob@x");
}

static void parameters_that_no_sound_gate_sends_are_refused(void **state)
{
	static const char *const of_mail[] = { "RET=FULL\r\nDATA", "ENVID=a+0Ab", "SIZE=x", "X=1", "NOTIFY=NEVER" };
	static const char *const of_rcpt[] = { "NOTIFY=NEVER\r\nDATA", "NOTIFY=NEVER\tORCPT=rfc822;a", "ORCPT=a", "X=1",
					       "SIZE=1" };
	(void)state;
	world.rcpt_parameters = "";
	for (unsigned i = 0; i < 5; i++) {
		world.mail_parameters = of_mail[i];
		assert_int_equal(say_envelope(grant, 1 + i, "ann@example.com", "bob@x"), STATUS_OK);
		expect_trace("message.refused; answer");
		assert_string_equal(world.message_reply, "501 5.5.4 Bad parameters of MAIL");
	}
	world.mail_parameters = NULL;
	for (unsigned i = 0; i < 5; i++) {
		world.rcpt_parameters = of_rcpt[i];
		assert_int_equal(say_envelope(grant, 6 + i, "ann@example.com", "bob@x"), STATUS_OK);
		assert_string_equal(world.envelope_reply, "501 5.1.3 Bad recipient address syntax");
		assert_null(world.upstream);
	}
}

static void too_many_recipients_are_refused_one_by_one(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "a@x b@x c@x d@x"), STATUS_OK);
	upstream_says("250 ok|250 ok|250 ok|250 ok");
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "e@x f@x"), STATUS_OK);
	upstream_says("250 ok");
	expect_trace("A: a@x b@x c@x d@x; replies; more: e@x; replies");
	assert_string_equal(world.envelope_reply, "250 ok|452 4.5.3 Too many recipients");
}

static void far_too_many_recipients_end_their_transaction_and_not_the_gate(void **state)
{
	(void)state;
	size_t told = 0;
	world.quota_exhausted = true; /* each is refused, so that none counts for the gate */
	while (told < 2000 && world.message_reply[0] == '\0') {
		assert_int_equal(say_envelope(grant, 1, "ann@example.com", "a@x b@x c@x d@x e@x f@x g@x h@x i@x j@x"),
				 STATUS_OK);
		world.trace[0] = '\0';
		told += 10;
	}
	assert_int_equal(told, 1010);
	assert_string_equal(world.message_reply, "452 4.5.3 Too many recipients");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_transaction_too_large_for_memory_ends_and_not_the_gate(void **state)
{
	(void)state;
	static char sender[DELIVERY_MEMORY + 1];
	struct buf list BUF_AUTO, parameters BUF_AUTO;
	buf_init(&list, 64);
	buf_init(&parameters, 64);
	assert_int_equal(codec_list_add(&list, SPAN("bob@x")), STATUS_OK);
	assert_int_equal(codec_list_add(&parameters, SPAN("")), STATUS_OK);
	struct door_envelope envelope = { .session = 1,
					  .transaction = 101,
					  .mail_from = { sender, sizeof(sender) },
					  .recipients = codec_list_of(&list),
					  .recipient_parameters = codec_list_of(&parameters) };
	assert_int_equal(deliveries_take_envelope(deliveries, &gate, grant, &envelope), STATUS_OK);
	expect_trace("message.refused; answer");
	assert_string_equal(world.message_reply, "451 4.3.0 Out of memory; try again later");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_users_transactions_are_bounded(void **state)
{
	(void)state;
	config.limits.transactions_per_user = 1;
	bring_message();
	assert_int_equal(say_envelope(grant, 2, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("message.refused; replies");
	assert_true(span_starts_with(span_of(world.envelope_reply), SPAN("451 4.7.1 ")));
	quota_says(QUOTA_BURST_EXCEEDED);
	expect_trace("abort; message.refused; answer");
	assert_true(span_starts_with(span_of(world.message_reply), SPAN("451 4.7.1 ")));
	assert_int_equal(say_envelope(grant, 3, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("A: bob@x");
}

static void a_stuck_audit_refuses_early(void **state)
{
	(void)state;
	world.audit_stuck = true;
	expect_refusal("ann@example.com", "bob@x cy@x",
		       "451 4.3.0 Audit unavailable; try again later|451 4.3.0 Audit unavailable; try again later");
}

static void a_used_up_quota_refuses_early_and_is_recorded_once(void **state)
{
	(void)state;
	world.quota_exhausted = true;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("quota.exceeded; message.refused; replies");
	assert_string_equal(world.envelope_reply, "550 5.4.5 Over quota: 500 of 500");
	assert_int_equal(say_envelope(grant, 2, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("message.refused; replies");
}

static void recipients_refused_one_by_one_make_one_record(void **state)
{
	(void)state;
	world.quota_exhausted = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("quota.exceeded; message.refused; replies; replies; replies");
}

static void a_declared_size_beyond_the_limit_is_refused(void **state)
{
	(void)state;
	config.limits.message_size = 19;
	expect_refusal("ann@example.com", "bob@x", "552 5.3.4 Message too large");
}

static void a_user_without_a_route_is_told_so(void **state)
{
	(void)state;
	routes[0].relays.count = 0;
	expect_refusal("ann@example.com", "bob@x", "451 4.3.5 No relay is configured for this user");
}

static void a_later_refusal_leaves_alone_what_a_relay_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	world.audit_stuck = true;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "cy@x"), STATUS_OK);
	expect_trace("A: bob@x; message.refused");
	upstream_says("250 ok");
	expect_trace("replies; replies");
	assert_string_equal(world.envelope_reply, "451 4.3.0 Audit unavailable; try again later");
}

static void a_client_whose_recipients_were_all_refused_leaves_a_record(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("550 5.1.1 no such user");
	deliveries_end_session(grant);
	expect_trace("A: bob@x; replies; message.refused; abort");
	assert_string_equal(world.record, "ann@example.com//0 /bob@x 550/no recipient was accepted");
}

static void words_about_our_login_never_reach_a_recipients_reply(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "a@x b@x c@x d@x"), STATUS_OK);
	upstream_says("530 5.7.0 log in|421 4.7.0 bye|nonsense|450 4.2.1 mailbox busy");
	assert_string_equal(world.envelope_reply,
			    "451 4.4.1 Relay not available; try again later|451 4.4.1 Relay not available; try again "
			    "later|451 4.4.1 Relay not available; try again later|450 4.2.1 mailbox busy");
}

/* ---- a gate that was taken over */

struct data_case {
	const char *what, *bytes, *reply;
};

static const struct data_case data_cases[] = {
	{ "an end of data within the message", "a\r\n.\r\nMAIL FROM:<x@y>\r\n", "554 5.6.0 Message data malformed" },
	{ "one at its very beginning", ".\r\nMAIL FROM:<x@y>\r\n", "554 5.6.0 Message data malformed" },
	{ "a dot that a lax reader takes for the end", "a\r\n.\nb\r\n", "554 5.6.0 Message data malformed" },
	{ "a dot after a bare LF", "a\n.\r\nb\r\n", "554 5.6.0 Message data malformed" },
	{ "a dot in front of a bare CR", "a\r\n.\rb\r\n", "554 5.6.0 Message data malformed" },
	{ "a dot that our own terminator would follow", "a\r\n.", "554 5.6.0 Message data malformed" },
	{ "a CR that our own terminator would follow", "a\r", "554 5.6.0 Message data malformed" },
	{ "a bare LF", "a\nb\r\n", "554 5.6.0 Message data malformed" },
	{ "a bare CR", "a\rb\r\n", "554 5.6.0 Message data malformed" },
	{ "a last line that does not end", "a", "554 5.6.0 Message data malformed" },
};

static void data_that_could_smuggle_ends_the_transaction(void **state)
{
	for (size_t i = 0; i < sizeof(data_cases) / sizeof(*data_cases); i++) {
		print_message("  %s\n", data_cases[i].what);
		assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
		upstream_says("250 ok");
		say_data(101, data_cases[i].bytes, true);
		expect_trace("A: bob@x; replies; abort; message.refused; answer");
		assert_string_equal(world.message_reply, data_cases[i].reply);
		assert_int_equal(deliveries_count(deliveries), 0);
		world_end(state);
		world_begin(state);
	}
}

static void smuggling_is_seen_across_pieces_of_one_byte(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	for (const char *at = "a\r\n.\r\n"; *at; at++) {
		char piece[2] = { *at, '\0' };
		say_data(101, piece, false);
	}
	expect_trace("A: bob@x; replies; abort; message.refused; answer");
}

static void more_after_the_end_of_a_message_is_what_no_gate_may_say(void **state)
{
	const struct door_message_data more = { .transaction = 101, .complete = true, .bytes = SPAN("more\r\n") };
	(void)state;
	bring_message();
	assert_int_equal(deliveries_take_data(deliveries, &gate, &more), STATUS_INVALID);
	expect_trace("");
	assert_int_equal(world.charged_bytes, strlen(MESSAGE_TEXT));
}

/* The day's records of one user's refusals; outcomes of what left are not among them. */
static void the_refusals_of_one_user_are_bounded_and_those_of_another_recorded(void **state)
{
	struct grant *other = log_in(2, SPAN("bob@example.com"));
	(void)state;
	for (unsigned i = 1; i <= 3000; i++) {
		world.trace[0] = '\0';
		assert_int_equal(say_envelope(grant, i, "stranger@example.com", "bob@x"), STATUS_OK);
	}
	assert_null(strstr(world.trace, "message.refused"));
	const struct user *user = users_find(services.users, SPAN("ann@example.com"));
	assert_in_range(user->ration.left_out[AUDIT_MESSAGE_REFUSED], 1500, 2999);
	world.trace[0] = '\0';
	assert_int_equal(say_envelope(other, 1, "stranger@example.com", "bob@x"), STATUS_OK);
	expect_trace("message.refused; replies");
	pass_time(RATIONS_MINUTE);
	expect_trace("message.refused");
	assert_int_equal(user->ration.left_out[AUDIT_MESSAGE_REFUSED], 0);
	assert_non_null(strstr(world.record, RATIONS_REASON));
}

static void data_without_an_accepted_recipient_goes_nowhere(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("550 5.1.1 no");
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("A: bob@x; replies; abort; message.refused; answer");
	assert_string_equal(world.message_reply, "554 5.5.1 No valid recipients");
}

/* Only a gate that was taken over does not wait for the replies. */
static void a_message_ahead_of_the_replies_to_its_recipients_is_no_honest_gates(void **state)
{
	(void)state;
	struct door_message_data data = { .transaction = 101, .complete = true, .bytes = SPAN(MESSAGE_TEXT) };
	grant->limits.refused_recipients_per_hour = 3;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x cy@x"), STATUS_OK);
	assert_int_equal(deliveries_take_data(deliveries, &gate, &data), STATUS_INVALID);
	upstream_says("550 5.1.1 no|550 5.1.1 no");
	expect_trace("A: bob@x cy@x; count 2");
	assert_int_equal(deliveries_take_data(deliveries, &gate, &data), STATUS_INVALID); /* not counted yet */
	refused_says(2, 2, false);
	expect_trace("replies");
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("abort; message.refused; answer");
	assert_string_equal(world.message_reply, "554 5.5.1 No valid recipients");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void data_of_an_unknown_transaction_is_dropped(void **state)
{
	(void)state;
	say_data(12345, MESSAGE_TEXT, true);
	expect_trace("");
}

static void what_no_honest_gate_says_is_invalid(void **state)
{
	(void)state;
	struct grant *other = log_in(2, SPAN("cy@example.com"));
	struct door_envelope nobody = { .session = 1, .transaction = 5, .mail_from = SPAN("ann@example.com") };
	assert_int_equal(deliveries_take_envelope(deliveries, &gate, grant, &nobody), STATUS_INVALID);
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	assert_int_equal(say_envelope(grant, 1, "eve@example.com", "bob@x"), STATUS_INVALID);
	struct grant as_other = *other;
	as_other.session = 1;
	assert_int_equal(say_envelope(&as_other, 1, "ann@example.com", "bob@x"), STATUS_INVALID);
	upstream_says("250 ok");
	say_data(101, "a\r\n", false);
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_INVALID);
}

/* ---- size, spool, quota */

static void a_message_beyond_the_limit_and_what_we_add_is_refused(void **state)
{
	(void)state;
	static char line[HEADER_ALLOWANCE + 1003];
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	config.limits.message_size = 1000;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, line, false);
	expect_trace("A: bob@x; replies; abort; message.refused; answer");
	assert_string_equal(world.message_reply, "552 5.3.4 Message too large");
}

static void a_full_spool_is_told_before_the_message_is_complete(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, "a\r\n", false);
	world.spool_status = STATUS_TOO_LARGE;
	say_data(101, "b\r\n", false);
	expect_trace("A: bob@x; replies; abort; message.refused; answer");
	assert_string_equal(world.message_reply, "452 4.3.1 No room for this message now; try again later");
	say_data(101, "c\r\n", true);
	expect_trace("");
}

static void a_spool_that_fails_is_told_too(void **state)
{
	(void)state;
	world.spool_status = STATUS_SYSTEM;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, "a\r\n", false);
	assert_string_equal(world.message_reply, "451 4.3.0 Storage failed; try again later");
}

static void over_the_daily_quota_nothing_leaves_and_nothing_is_refunded(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_DAY_EXCEEDED);
	expect_trace("quota.exceeded; abort; message.refused; answer");
	assert_string_equal(world.message_reply, "550 5.4.5 Over quota: 500 of 500");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void without_a_word_from_redis_the_token_is_refunded(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_UNKNOWN);
	expect_trace("abort; message.refused; refund; answer");
	assert_string_equal(world.message_reply, "451 4.3.0 Quota service unavailable; try again later");
	assert_string_equal(world.refunded, world.token);
}

static void with_redis_away_there_is_nothing_to_refund(void **state)
{
	(void)state;
	bring_message();
	quota_says(QUOTA_NOT_CHARGED);
	expect_trace("abort; message.refused; answer");
	assert_string_equal(world.message_reply, "451 4.3.0 Quota service unavailable; try again later");
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void a_charge_that_cannot_be_asked_is_refunded_too(void **state)
{
	(void)state;
	world.quota_broken = true;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("A: bob@x; replies; charge; abort; message.refused; refund; answer");
}

static void while_counts_are_rebuilt_nothing_is_charged_or_given_back(void **state)
{
	(void)state;
	world.quota_is_rebuilt = true;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 ok");
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("A: bob@x; replies; abort; message.refused; answer");
	assert_string_equal(world.message_reply, "451 4.3.0 Quota service unavailable; try again later");
}

static void a_charge_answered_too_late_was_refunded_already(void **state)
{
	(void)state;
	bring_message();
	pass_time(50000);
	expect_trace("abort; message.refused; refund; answer");
	assert_int_equal(deliveries_count(deliveries), 1);
	quota_says(QUOTA_GRANTED);
	expect_trace("");
	assert_int_equal(deliveries_count(deliveries), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_sender_that_is_not_the_users_is_refused),
		CASE(a_sender_that_is_no_address_is_refused),
		CASE(in_audit_mode_a_foreign_sender_passes_and_is_noted),
		CASE(bad_recipients_are_refused_and_never_asked_for),
		CASE(parameters_of_dsn_reach_the_upstream),
		CASE(parameters_that_no_sound_gate_sends_are_refused),
		CASE(too_many_recipients_are_refused_one_by_one),
		CASE(far_too_many_recipients_end_their_transaction_and_not_the_gate),
		CASE(a_transaction_too_large_for_memory_ends_and_not_the_gate),
		CASE(a_users_transactions_are_bounded),
		CASE(a_stuck_audit_refuses_early),
		CASE(a_used_up_quota_refuses_early_and_is_recorded_once),
		CASE(recipients_refused_one_by_one_make_one_record),
		CASE(a_declared_size_beyond_the_limit_is_refused),
		CASE(a_user_without_a_route_is_told_so),
		CASE(a_later_refusal_leaves_alone_what_a_relay_is_asked_for),
		CASE(a_client_whose_recipients_were_all_refused_leaves_a_record),
		CASE(words_about_our_login_never_reach_a_recipients_reply),
		CASE(data_that_could_smuggle_ends_the_transaction),
		CASE(smuggling_is_seen_across_pieces_of_one_byte),
		CASE(more_after_the_end_of_a_message_is_what_no_gate_may_say),
		CASE(the_refusals_of_one_user_are_bounded_and_those_of_another_recorded),
		CASE(data_without_an_accepted_recipient_goes_nowhere),
		CASE(a_message_ahead_of_the_replies_to_its_recipients_is_no_honest_gates),
		CASE(data_of_an_unknown_transaction_is_dropped),
		CASE(what_no_honest_gate_says_is_invalid),
		CASE(a_message_beyond_the_limit_and_what_we_add_is_refused),
		CASE(a_full_spool_is_told_before_the_message_is_complete),
		CASE(a_spool_that_fails_is_told_too),
		CASE(over_the_daily_quota_nothing_leaves_and_nothing_is_refunded),
		CASE(without_a_word_from_redis_the_token_is_refunded),
		CASE(with_redis_away_there_is_nothing_to_refund),
		CASE(a_charge_that_cannot_be_asked_is_refunded_too),
		CASE(while_counts_are_rebuilt_nothing_is_charged_or_given_back),
		CASE(a_charge_answered_too_late_was_refunded_already),
	};
	return cmocka_run_group_tests_name("relay refusals", tests, NULL, NULL);
}
