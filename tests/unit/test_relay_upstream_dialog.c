/* One message's dialog with its upstream: what is said, in which order, and what an attempt that is given up leaves. */
#include "with_upstream.h"

#include "net/stream_state.h"
#include "relay/upstream/private.h"

static struct upstream_test t;

static void assert_heard(const char *text)
{
	char record[8192];
	snprintf(record, sizeof(record), "%.*s", SPAN_ARGS(buf_span(&t.relay.record)));
	assert_string_equal(record, text);
}

#define LOGIN "EHLO us.example.com\nAUTH PLAIN AHVzQGV4YW1wbGUuY29tAG9wZW4gc2VzYW1l\n"
#define ENVELOPE "MAIL FROM:<us@example.com>\nRCPT TO:<one@example.net>\nRCPT TO:<two@example.net>\n"

static void begin_pool(void)
{
	upstream_test_begin(&t);
	upstream_test_open(&t);
}

static void a_message_goes_out_and_is_accepted(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_string_equal(s.reply[0], "250 2.1.5 fine");
	assert_string_equal(s.reply[1], "250 2.1.5 fine");
	assert_int_equal(s.reply_count, 2);
	assert_string_equal(s.reason, "accepted: 250 2.0.0 queued as 1");
	assert_string_equal(s.host, "127.0.0.1");
	assert_heard(LOGIN ENVELOPE "DATA\n");
	assert_true(span_equal(buf_span(&t.relay.body), SPAN(BODY ".\r\n")));
	upstream_test_end_with(&t, &s);
}

static void commands_go_in_one_piece_where_the_relay_takes_that(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	send_whole(&t, &s);
	assert_int_equal(t.relay.most_at_once, 3);
	upstream_test_end_with(&t, &s);
}

static void commands_go_one_by_one_where_it_does_not(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.relay.features = "250 AUTH PLAIN\r\n";
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.most_at_once, 1);
	assert_heard(LOGIN ENVELOPE "DATA\n");
	upstream_test_end_with(&t, &s);
}

static void size_and_body_are_said_where_they_are_offered(void **state)
{
	static const char *const recipients[] = { "one@example.net" };
	struct upstream_envelope envelope = { .eight_bit = true, .size = 77 }; /* and the empty sender */
	struct sending s;
	(void)state;
	begin_pool();
	begin_envelope(&t, &s, &envelope, recipients, 1);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL FROM:<> SIZE=77 BODY=8BITMIME"), 1);
	upstream_test_end_with(&t, &s);

	upstream_test_begin(&t);
	t.relay.features = "250 AUTH PLAIN\r\n";
	upstream_test_open(&t);
	begin_envelope(&t, &s, &envelope, recipients, 1);
	run_until(t.loop, is_answered, &s);
	assert_heard(LOGIN "MAIL FROM:<>\nRCPT TO:<one@example.net>\n");
	upstream_test_end_with(&t, &s);
}

static void begin_with_dsn(struct sending *s)
{
	static const struct upstream_recipient recipients[] = {
		{ .address = SPAN("one@example.net"), .parameters = SPAN("NOTIFY=NEVER ORCPT=rfc822;one@example.net") },
		{ .address = SPAN("two@example.net") },
	};
	const struct upstream_envelope envelope = { .ret = SPAN("HDRS"), .envid = SPAN("a+2Bb") };
	*s = (struct sending){ 0 };
	assert_int_equal(upstream_begin(t.pool, &envelope, recipients, 2, LIMIT_MS, &note_all, s, &s->upstream),
			 STATUS_OK);
	run_until(t.loop, is_answered, s);
}

static void dsn_is_passed_on_where_the_relay_has_it_by_option_and_by_ehlo(void **state)
{
	static const struct {
		bool option;
		const char *features;
		bool passed;
	} cases[] = {
		{ true, "250-DSN\r\n250 AUTH PLAIN\r\n", true },
		{ true, "250 AUTH PLAIN\r\n", false },
		{ false, "250-DSN\r\n250 AUTH PLAIN\r\n", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		upstream_test_begin(&t);
		t.config.dsn = cases[i].option;
		t.relay.features = cases[i].features;
		upstream_test_open(&t);
		begin_with_dsn(&s);
		if (cases[i].passed)
			assert_heard(LOGIN "MAIL FROM:<> RET=HDRS ENVID=a+2Bb\n"
					   "RCPT TO:<one@example.net> NOTIFY=NEVER ORCPT=rfc822;one@example.net\n"
					   "RCPT TO:<two@example.net>\n");
		else
			assert_heard(LOGIN "MAIL FROM:<>\nRCPT TO:<one@example.net>\nRCPT TO:<two@example.net>\n");
		upstream_test_end_with(&t, &s);
	}
}

static void each_recipient_has_its_own_reply(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	fake_relay_rule(&t.relay, "RCPT TO:<one", "550-5.1.1 nobody\r\n550 5.1.1 by that name\r\n", 0);
	send_whole(&t, &s);
	assert_string_equal(s.reply[0], "550 5.1.1 nobody\nby that name");
	assert_string_equal(s.reply[1], "250 2.1.5 fine");
	assert_accepted(&s);
	upstream_test_end_with(&t, &s);
}

static void recipients_can_be_added_later(void **state)
{
	struct upstream_recipient third = { .address = SPAN("three@example.net") };
	struct sending s;
	(void)state;
	begin_pool();
	fake_relay_rule(&t.relay, "RCPT TO:<three", "550 5.1.1 no\r\n", 0);
	open_sending(&t, &s);
	s.replies = 0;
	assert_int_equal(upstream_add_recipients(s.upstream, &third, 1), STATUS_OK);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.reply_count, 3);
	assert_string_equal(s.reply[2], "550 5.1.1 no");
	assert_heard(LOGIN ENVELOPE "RCPT TO:<three@example.net>\n");
	upstream_test_end_with(&t, &s);
}

static void recipients_added_before_the_first_answer_are_told_with_the_first(void **state)
{
	struct upstream_recipient third = { .address = SPAN("three@example.net") };
	struct sending s;
	(void)state;
	begin_pool();
	begin_sending(&t, &s);
	assert_int_equal(upstream_add_recipients(s.upstream, &third, 1), STATUS_OK);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.replies, 1);
	assert_int_equal(s.reply_count, 3);
	upstream_test_end_with(&t, &s);
}

static void more_recipients_than_a_window_all_arrive(void **state)
{
	static char addresses[150][32];
	const char *recipients[150];
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com") };
	struct sending s;
	(void)state;
	begin_pool();
	for (unsigned i = 0; i < 150; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "r%u@example.net", i);
		recipients[i] = addresses[i];
	}
	begin_envelope(&t, &s, &envelope, recipients, 150);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.reply_count, 150);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT"), 150);
	assert_true(t.relay.most_at_once <= 100);
	upstream_test_end_with(&t, &s);
}

static void an_address_that_is_a_command_is_refused(void **state)
{
	static const char *const bad[] = { "a@b>\r\nRCPT TO:<c@d", "a@b\nQUIT", "a@b> SIZE=1", "", "a b@c" };
	struct upstream_envelope good = { .mail_from = SPAN("us@example.com") };
	struct upstream_recipient ok = { .address = SPAN("one@example.net") };
	struct upstream_attempt *u = NULL;
	(void)state;
	begin_pool();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct upstream_recipient recipient = { .address = span_of(bad[i]) };
		assert_int_equal(upstream_begin(t.pool, &good, &recipient, 1, LIMIT_MS, &note_all, NULL, &u),
				 STATUS_INVALID);
	}
	struct upstream_envelope evil = { .mail_from = SPAN("a@b>\r\nDATA") };
	assert_int_equal(upstream_begin(t.pool, &evil, &ok, 1, LIMIT_MS, &note_all, NULL, &u), STATUS_INVALID);
	struct upstream_recipient parameters = { .address = SPAN("a@b.c"), .parameters = SPAN("X=1\r\nDATA") };
	assert_int_equal(upstream_begin(t.pool, &good, &parameters, 1, LIMIT_MS, &note_all, NULL, &u), STATUS_INVALID);
	assert_null(u);
	run_for(t.loop, 20);
	assert_int_equal(t.relay.connected, 0);
	upstream_test_end(&t);
}

/* ---- the dot */

static void the_dot_is_held_until_it_is_released(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	open_sending(&t, &s);
	send_text(&t, &s, long_body());
	run_until(t.loop, is_held, &s);
	run_for(t.loop, 50);
	assert_int_equal(s.held, 1);
	assert_int_equal(s.done, 0);
	assert_int_equal(t.relay.dots, 0);
	assert_true(span_equal(buf_span(&t.relay.body), span_of(long_body())));
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_int_equal(t.relay.dots, 1);
	assert_accepted(&s);
	upstream_test_end_with(&t, &s);
}

static void a_small_body_leaves_in_one_piece_with_its_dot(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	hold_sending(&t, &s);
	run_for(t.loop, 50);
	assert_int_equal(t.relay.body_pieces, 0);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.body_pieces, 1);
	assert_true(span_equal(buf_span(&t.relay.body), SPAN(BODY ".\r\n")));
	upstream_test_end_with(&t, &s);
}

static void a_large_message_arrives_as_it_is(void **state)
{
	enum { LINES = 40000, LINE = 80 };
	static char body[LINES * LINE + 1];
	struct sending s;
	(void)state;
	begin_pool();
	t.relay.features = "250-SIZE\r\n250 AUTH PLAIN\r\n";
	for (unsigned i = 0; i < LINES; i++) {
		memset(body + i * LINE, 'a' + (int)(i % 26), LINE - 2);
		memcpy(body + i * LINE + LINE - 2, "\r\n", 2);
	}
	open_sending(&t, &s);
	send_text(&t, &s, body);
	run_until(t.loop, is_held, &s);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s);
	assert_int_equal(buf_size(&t.relay.body), LINES * LINE + 3);
	assert_memory_equal(buf_span(&t.relay.body).data, body, LINES * LINE);
	upstream_test_end_with(&t, &s);
}

static void an_empty_message_is_a_dot_alone(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	open_sending(&t, &s);
	send_text(&t, &s, "");
	run_until(t.loop, is_held, &s);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s);
	assert_true(span_equal(buf_span(&t.relay.body), SPAN(".\r\n")));
	upstream_test_end_with(&t, &s);
}

/* ---- giving up */

static void an_attempt_given_up_leaves_a_clean_connection(void **state)
{
	struct sending s, next;
	(void)state;
	begin_pool();
	open_sending(&t, &s);
	upstream_abort(&s.upstream);
	assert_null(s.upstream);
	send_whole(&t, &next);
	assert_accepted(&next);
	assert_int_equal(s.done, 0);
	assert_heard(LOGIN ENVELOPE "RSET\n" ENVELOPE "DATA\n");
	assert_int_equal(t.relay.connected, 1);
	upstream_test_end_with(&t, &next);
}

static void replies_to_an_attempt_given_up_are_not_taken_for_the_next_ones(void **state)
{
	struct sending s, next;
	(void)state;
	upstream_test_begin(&t);
	t.config.connections = 1;
	upstream_test_open(&t);
	open_sending(&t, &s);
	upstream_abort(&s.upstream);
	fake_relay_rule(&t.relay, "RCPT TO:<one", "550 5.1.1 late\r\n", 1);
	begin_sending(&t, &s);
	run_for(t.loop, 2);
	upstream_abort(&s.upstream);
	send_whole(&t, &next);
	assert_accepted(&next);
	assert_string_equal(next.reply[0], "250 2.1.5 fine");
	upstream_test_end_with(&t, &next);
}

static void an_attempt_given_up_within_its_message_costs_the_connection(void **state)
{
	struct sending s, next;
	(void)state;
	begin_pool();
	hold_sending(&t, &s);
	upstream_abort(&s.upstream);
	spool_message_free(&s.message);
	send_whole(&t, &next);
	assert_accepted(&next);
	assert_int_equal(t.relay.connected, 2);
	assert_int_equal(t.relay.dots, 1);
	upstream_test_end_with(&t, &next);
}

static void an_attempt_given_up_in_the_queue_is_forgotten(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	begin_sending(&t, &s);
	upstream_abort(&s.upstream);
	run_for(t.loop, 50);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), 0);
	assert_int_equal(s.done + s.replies, 0);
	upstream_test_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_goes_out_and_is_accepted),
		cmocka_unit_test(commands_go_in_one_piece_where_the_relay_takes_that),
		cmocka_unit_test(commands_go_one_by_one_where_it_does_not),
		cmocka_unit_test(size_and_body_are_said_where_they_are_offered),
		cmocka_unit_test(dsn_is_passed_on_where_the_relay_has_it_by_option_and_by_ehlo),
		cmocka_unit_test(each_recipient_has_its_own_reply),
		cmocka_unit_test(recipients_can_be_added_later),
		cmocka_unit_test(recipients_added_before_the_first_answer_are_told_with_the_first),
		cmocka_unit_test(more_recipients_than_a_window_all_arrive),
		cmocka_unit_test(an_address_that_is_a_command_is_refused),
		cmocka_unit_test(the_dot_is_held_until_it_is_released),
		cmocka_unit_test(a_small_body_leaves_in_one_piece_with_its_dot),
		cmocka_unit_test(a_large_message_arrives_as_it_is),
		cmocka_unit_test(an_empty_message_is_a_dot_alone),
		cmocka_unit_test(an_attempt_given_up_leaves_a_clean_connection),
		cmocka_unit_test(replies_to_an_attempt_given_up_are_not_taken_for_the_next_ones),
		cmocka_unit_test(an_attempt_given_up_within_its_message_costs_the_connection),
		cmocka_unit_test(an_attempt_given_up_in_the_queue_is_forgotten),
	};
	return cmocka_run_group_tests_name("relay: upstream dialog", tests, NULL, NULL);
}
