/* The pool: which attempt gets which connection, when one is replaced, when one is given back, and when it ends. */
#include "with_upstream.h"

static struct upstream_test t;

static void begin_pool(uint64_t connections)
{
	upstream_test_begin(&t);
	t.config.connections = connections;
	upstream_test_open(&t);
}

static void finish_sending(struct sending *s)
{
	send_text(&t, s, BODY);
	run_until(t.loop, is_held, s);
	if (!s->done)
		upstream_release(s->upstream, LIMIT_MS);
	run_until(t.loop, is_done, s);
	spool_message_free(&s->message);
}

/* ---- reuse */

static void one_login_serves_many_messages(void **state)
{
	struct sending s;
	struct upstream_pool_state shown;
	(void)state;
	begin_pool(2);
	for (unsigned i = 0; i < 10; i++) {
		send_whole(&t, &s);
		assert_accepted(&s);
	}
	assert_int_equal(t.relay.connected, 1);
	assert_int_equal(t.asked, 1);
	upstream_pool_show(t.pool, &shown);
	assert_int_equal(shown.messages, 10);
	assert_int_equal(shown.logins, 1);
	assert_int_equal(shown.idle, 1);
	assert_string_equal(shown.last_error, "");
	assert_int_equal(stats_sum(t.stats, 1, COUNTER_RELAY_CONNECTIONS, 8), 1);
	assert_int_equal(stats_sum(t.stats, 1, COUNTER_RELAY_CONNECTIONS, 9), 0);
	upstream_test_end_with(&t, &s);
}

static void a_refused_message_leaves_the_connection_in_use(void **state)
{
	static const char *const commands[] = { "MAIL", "DATA", "." };
	struct sending s;
	(void)state;
	begin_pool(1);
	for (unsigned i = 0; i < 3; i++)
		fake_relay_rule(&t.relay, commands[i], "550 5.6.0 no\r\n", 1);
	for (unsigned i = 0; i < 3; i++) {
		open_sending(&t, &s);
		if (!s.done)
			finish_sending(&s);
		assert_int_not_equal(s.class, UPSTREAM_ACCEPTED);
	}
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.connected, 1);
	upstream_test_end_with(&t, &s);
}

static void a_connection_ends_with_quit_after_its_share_of_messages(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.config.messages_per_connection = 3;
	upstream_test_open(&t);
	for (unsigned i = 0; i < 7; i++) {
		send_whole(&t, &s);
		assert_accepted(&s);
	}
	assert_int_equal(t.relay.connected, 3);
	assert_int_equal(fake_relay_heard(&t.relay, "QUIT"), 2);
	upstream_test_end_with(&t, &s);
}

static void an_idle_connection_ends_with_quit(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.config.idle_timeout = 50;
	upstream_test_open(&t);
	send_whole(&t, &s);
	run_for(t.loop, 150);
	assert_int_equal(fake_relay_heard(&t.relay, "QUIT"), 1);
	assert_int_equal(upstream_pool_size(t.pool), 0);
	upstream_test_end_with(&t, &s);
}

static void a_drained_pool_quits(void **state)
{
	struct sending idle, busy;
	(void)state;
	begin_pool(2);
	open_sending(&t, &busy);
	send_whole(&t, &idle);
	upstream_pool_drain(t.pool);
	run_for(t.loop, 50);
	assert_int_equal(upstream_pool_size(t.pool), 1);
	finish_sending(&busy);
	assert_accepted(&busy);
	run_for(t.loop, 50);
	assert_int_equal(upstream_pool_size(t.pool), 0);
	assert_int_equal(fake_relay_heard(&t.relay, "QUIT"), 2);
	upstream_test_end_with(&t, &busy);
}

/* ---- the cap, and the queue */

static void no_more_connections_than_configured(void **state)
{
	struct sending s[6];
	struct upstream_pool_state shown;
	(void)state;
	begin_pool(2);
	for (unsigned i = 0; i < 6; i++)
		begin_sending(&t, &s[i]);
	run_until(t.loop, is_answered, &s[0]);
	run_until(t.loop, is_answered, &s[1]);
	run_for(t.loop, 50);
	upstream_pool_show(t.pool, &shown);
	assert_int_equal(shown.busy, 2);
	assert_int_equal(shown.waiting, 4);
	assert_int_equal(t.relay.connected, 2);
	for (unsigned i = 0; i < 6; i++) { /* in their order */
		run_until(t.loop, is_answered, &s[i]);
		assert_int_equal(s[i].done, 0);
		finish_sending(&s[i]);
		assert_accepted(&s[i]);
	}
	assert_int_equal(t.relay.connected, 2);
	upstream_test_end(&t);
}

static void waiting_has_its_limit(void **state)
{
	struct upstream_recipient recipient = { .address = SPAN("one@example.net") };
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com") };
	struct sending busy, s = { 0 };
	(void)state;
	begin_pool(1);
	open_sending(&t, &busy);
	assert_int_equal(upstream_begin(t.pool, &envelope, &recipient, 1, 100, &note_all, &s, &s.upstream), STATUS_OK);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_BUSY);
	assert_string_equal(s.reason, "no free connection in time");
	upstream_test_end_with(&t, &busy);
}

static void the_limit_holds_for_mail_and_rcpt_too(void **state)
{
	struct upstream_recipient recipient = { .address = SPAN("one@example.net") };
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com") };
	struct sending s = { 0 };
	(void)state;
	begin_pool(1);
	fake_relay_rule(&t.relay, "RCPT", "", 0);
	assert_int_equal(upstream_begin(t.pool, &envelope, &recipient, 1, 200, &note_all, &s, &s.upstream), STATUS_OK);
	run_until(t.loop, is_done, &s);
	assert_string_equal(s.reason, "no reply to MAIL and RCPT in time");
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	upstream_test_end_with(&t, &s);
}

/* A relay that takes one connection only: the others wait for it instead of failing. */
static void a_connection_too_many_does_not_fail_those_who_can_wait(void **state)
{
	struct sending first, second;
	(void)state;
	begin_pool(3);
	open_sending(&t, &first);
	fake_relay_rule(&t.relay, "GREETING", "421 4.3.2 too many\r\n" HANG_UP, 0);
	begin_sending(&t, &second);
	run_for(t.loop, 100);
	assert_int_equal(second.done, 0);
	finish_sending(&first);
	run_until(t.loop, is_answered, &second);
	assert_int_equal(second.done, 0);
	finish_sending(&second);
	assert_accepted(&second);
	upstream_test_end_with(&t, &second);
}

/* ---- dead connections */

static void a_kept_connection_found_dead_is_replaced(void **state)
{
	static const char *const deaths[] = { HANG_UP, "421 4.4.2 idle for too long\r\n" HANG_UP,
					      "451 4.4.2 Timeout - closing connection\r\n" HANG_UP };
	struct sending s;
	(void)state;
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		begin_pool(1);
		send_whole(&t, &s);
		fake_relay_rule(&t.relay, "MAIL", deaths[i], 1);
		send_whole(&t, &s);
		assert_accepted(&s);
		assert_int_equal(t.relay.connected, 2);
		assert_int_equal(t.relay.dots, 2);
		upstream_test_end_with(&t, &s);
	}
}

static void one_closed_while_idle_is_not_even_tried(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	send_whole(&t, &s);
	fake_relay_cut(&t.relay);
	run_for(t.loop, 50);
	assert_int_equal(upstream_pool_size(t.pool), 0);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), 2);
	upstream_test_end_with(&t, &s);
}

static void one_that_speaks_unasked_is_closed(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	send_whole(&t, &s);
	fake_relay_say(&t.relay.callers[0], "250 2.0.0 hello?\r\n");
	run_for(t.loop, 50);
	assert_int_equal(upstream_pool_size(t.pool), 0);
	upstream_test_end_with(&t, &s);
}

static void a_connection_is_replaced_once_only(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	send_whole(&t, &s);
	fake_relay_rule(&t.relay, "MAIL", HANG_UP, 0);
	open_sending(&t, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_int_equal(t.relay.connected, 2);
	upstream_test_end_with(&t, &s);
}

static void one_that_dies_at_data_is_replaced_with_all_it_was_told(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	send_whole(&t, &s);
	fake_relay_rule(&t.relay, "RCPT TO:<one", "550 5.1.1 no\r\n", 1);
	fake_relay_rule(&t.relay, "DATA", HANG_UP, 1);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(s.replies, 1);
	assert_int_equal(t.relay.connected, 2);
	/* the recipient refused is not asked again: two of the first message, then one and one */
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<one"), 2);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<two"), 3);
	assert_int_equal(t.relay.dots, 2);
	upstream_test_end_with(&t, &s);
}

static void one_that_dies_within_the_message_is_not_replaced(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	send_whole(&t, &s);
	fake_relay_rule(&t.relay, "BODY", HANG_UP, 1);
	open_sending(&t, &s);
	send_text(&t, &s, long_body());
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_int_equal(t.relay.connected, 1);
	upstream_test_end_with(&t, &s);
}

/* ---- silent attempts */

static void a_connection_lost_between_rcpt_and_data_is_made_again(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	open_sending(&t, &s);
	fake_relay_cut(&t.relay);
	run_for(t.loop, 50);
	assert_int_equal(s.done, 0);
	finish_sending(&s);
	assert_accepted(&s);
	assert_int_equal(s.replies, 1);
	upstream_test_end_with(&t, &s);
}

static void a_silent_attempt_gives_its_connection_to_one_that_waits(void **state)
{
	struct sending silent, quick;
	(void)state;
	begin_pool(1);
	open_sending(&t, &silent);
	uint64_t before_ms = clock_monotonic_ms();
	send_whole(&t, &quick);
	assert_accepted(&quick);
	assert_in_range(clock_monotonic_ms() - before_ms, 1900, LIMIT_MS / 2);
	assert_int_equal(fake_relay_heard(&t.relay, "RSET"), 1);
	finish_sending(&silent);
	assert_accepted(&silent);
	assert_int_equal(silent.replies, 1);
	assert_int_equal(t.relay.connected, 1);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), 3);
	upstream_test_end_with(&t, &silent);
}

static void a_replay_that_loses_a_recipient_fails(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	open_sending(&t, &s);
	fake_relay_cut(&t.relay);
	run_for(t.loop, 50);
	fake_relay_rule(&t.relay, "RCPT TO:<two", "550 5.1.1 gone\r\n", 0);
	send_text(&t, &s, BODY);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_false(s.dot_released);
	assert_non_null(strstr(s.reason, "a recipient accepted before is refused now"));
	assert_int_equal(t.relay.dots, 0);
	upstream_test_end_with(&t, &s);
}

static void recipients_added_to_a_parked_attempt_are_asked_after_the_replay(void **state)
{
	struct upstream_recipient third = { .address = SPAN("three@example.net") };
	struct sending s;
	(void)state;
	begin_pool(1);
	open_sending(&t, &s);
	fake_relay_cut(&t.relay);
	run_for(t.loop, 50);
	s.replies = 0;
	fake_relay_rule(&t.relay, "RCPT TO:<three", "550 5.1.1 no\r\n", 0);
	assert_int_equal(upstream_add_recipients(s.upstream, &third, 1), STATUS_OK);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.reply_count, 3);
	assert_string_equal(s.reply[2], "550 5.1.1 no");
	finish_sending(&s);
	assert_accepted(&s);
	upstream_test_end_with(&t, &s);
}

static void a_pool_freed_with_work_in_it_calls_nobody(void **state)
{
	struct sending s[4];
	(void)state;
	begin_pool(2);
	for (unsigned i = 0; i < 4; i++)
		begin_sending(&t, &s[i]);
	run_until(t.loop, is_answered, &s[0]);
	unsigned told = s[1].replies;
	upstream_pool_free(&t.pool);
	run_for(t.loop, 50);
	assert_int_equal(s[0].done + s[1].done + s[2].done + s[3].done, 0);
	assert_int_equal(s[1].replies, told);
	upstream_test_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_login_serves_many_messages),
		cmocka_unit_test(a_refused_message_leaves_the_connection_in_use),
		cmocka_unit_test(a_connection_ends_with_quit_after_its_share_of_messages),
		cmocka_unit_test(an_idle_connection_ends_with_quit),
		cmocka_unit_test(a_drained_pool_quits),
		cmocka_unit_test(no_more_connections_than_configured),
		cmocka_unit_test(waiting_has_its_limit),
		cmocka_unit_test(the_limit_holds_for_mail_and_rcpt_too),
		cmocka_unit_test(a_connection_too_many_does_not_fail_those_who_can_wait),
		cmocka_unit_test(a_kept_connection_found_dead_is_replaced),
		cmocka_unit_test(one_closed_while_idle_is_not_even_tried),
		cmocka_unit_test(one_that_speaks_unasked_is_closed),
		cmocka_unit_test(a_connection_is_replaced_once_only),
		cmocka_unit_test(one_that_dies_at_data_is_replaced_with_all_it_was_told),
		cmocka_unit_test(one_that_dies_within_the_message_is_not_replaced),
		cmocka_unit_test(a_connection_lost_between_rcpt_and_data_is_made_again),
		cmocka_unit_test(a_silent_attempt_gives_its_connection_to_one_that_waits),
		cmocka_unit_test(a_replay_that_loses_a_recipient_fails),
		cmocka_unit_test(recipients_added_to_a_parked_attempt_are_asked_after_the_replay),
		cmocka_unit_test(a_pool_freed_with_work_in_it_calls_nobody),
	};
	return cmocka_run_group_tests_name("relay: upstream pool", tests, NULL, NULL);
}
