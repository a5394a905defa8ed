/* Turns, back-offs and what other processes share of them: which user is served next, and when none is. */
#include "with_upstream.h"

#include <sys/resource.h>

static struct upstream_test t;

static void begin_pool(uint64_t connections)
{
	upstream_test_begin(&t);
	t.config.connections = connections;
	upstream_test_open(&t);
}

static void end_pool(void)
{
	upstream_test_end(&t);
}

static struct upstream_pool_state pool_state(void)
{
	struct upstream_pool_state state;
	upstream_pool_show(t.pool, &state);
	return state;
}

static void begin_of(struct sending *s, const char *user, const char *mailbox)
{
	static const char *const recipients[] = { "one@example.net" };
	struct upstream_envelope envelope = { .user = span_of(user),
					      .mailbox = span_of(mailbox),
					      .mail_from = SPAN("us@example.com") };
	begin_envelope(&t, s, &envelope, recipients, 1);
}

static void finish_sending(struct sending *s)
{
	send_text(&t, s, BODY);
	run_until(t.loop, is_held, s);
	upstream_release(s->upstream, LIMIT_MS);
	run_until(t.loop, is_done, s);
	spool_message_free(&s->message);
	assert_accepted(s);
}

/* What becomes of a message that goes all the way. */
static enum upstream_class send_one(struct sending *s)
{
	open_sending(&t, s);
	if (!s->done) {
		send_text(&t, s, BODY);
		run_until(t.loop, is_held, s);
	}
	if (!s->done)
		upstream_release(s->upstream, LIMIT_MS);
	run_until(t.loop, is_done, s);
	spool_message_free(&s->message);
	return s->class;
}

/* ---- turns */

static void users_take_turns(void **state)
{
	/* The order they come in, and the order they are served in. */
	static const char *const users[] = { "a", "a", "a", "a", "b", "c", "b" };
	static const size_t expected[] = { 0, 1, 4, 5, 2, 6, 3 };
	struct sending s[7];
	(void)state;
	begin_pool(1);
	begin_of(&s[0], users[0], "");
	run_until(t.loop, is_answered, &s[0]);
	for (size_t i = 1; i < 7; i++)
		begin_of(&s[i], users[i], "");
	for (size_t i = 0; i < 7; i++) {
		run_until(t.loop, is_answered, &s[expected[i]]);
		for (size_t j = 0; j < 7; j++) {
			bool has_been = false;
			for (size_t k = 0; k <= i; k++)
				has_been |= expected[k] == j;
			assert_int_equal(s[j].replies, has_been);
		}
		finish_sending(&s[expected[i]]);
	}
	assert_int_equal(t.relay.connected, 1);
	end_pool();
}

static void a_late_user_does_not_wait_for_one_who_took_many_turns(void **state)
{
	struct sending many[6], late;
	(void)state;
	begin_pool(1);
	for (size_t i = 0; i < 6; i++)
		begin_of(&many[i], "a", "");
	for (size_t i = 0; i < 3; i++) {
		run_until(t.loop, is_answered, &many[i]);
		if (i == 2)
			begin_of(&late, "b", "");
		finish_sending(&many[i]);
	}
	run_until(t.loop, is_answered, &late);
	assert_int_equal(many[4].replies, 0);
	for (size_t i = 3; i < 6; i++)
		if (many[i].upstream && many[i].replies)
			finish_sending(&many[i]);
	if (late.upstream)
		finish_sending(&late);
	for (size_t i = 3; i < 6; i++)
		upstream_abort(&many[i].upstream);
	end_pool();
}

/* ---- slots of another process */

static void slots_of_another_process_are_waited_for(void **state)
{
	struct sending s;
	unsigned slot;
	(void)state;
	begin_pool(1);
	/* The key of its account, as the pool makes it. */
	uint64_t key = backoffs_key("slots", "127.0.0.1", "");
	assert_int_equal(slots_take(t.slots, key, 1, &slot), STATUS_OK);
	begin_of(&s, "a", "");
	run_for(t.loop, 50);
	assert_int_equal(t.relay.connected, 0);
	assert_int_equal(s.done, 0);
	slots_give(t.slots, key, slot);
	run_until(t.loop, is_answered, &s);
	finish_sending(&s);
	assert_int_equal(slots_take(t.slots, key, 1, &slot), STATUS_AGAIN);
	end_pool();
}

/* ---- back-offs */

static void a_refusal_about_the_account_backs_off_from_it(void **state)
{
	static const struct {
		const char *command, *reply;
		enum upstream_class class;
		enum upstream_backoff backoff;
	} cases[] = {
		{ "MAIL", "550 5.4.5 Daily user sending limit exceeded\r\n", UPSTREAM_ACCOUNT,
		  UPSTREAM_BACKOFF_ACCOUNT },
		{ "MAIL", "450 4.7.1 <us@example.com>: Error: too much mail from 192.0.2.1\r\n", UPSTREAM_THROTTLED,
		  UPSTREAM_BACKOFF_THROTTLED },
		{ "DATA", "454 Throttling failure: Maximum sending rate exceeded.\r\n", UPSTREAM_THROTTLED,
		  UPSTREAM_BACKOFF_THROTTLED },
		{ ".", "550 5.4.5 Daily user sending limit exceeded\r\n", UPSTREAM_ACCOUNT, UPSTREAM_BACKOFF_ACCOUNT },
		{ "MAIL", "432 4.3.2 Concurrent connections limit exceeded\r\n", UPSTREAM_THROTTLED,
		  UPSTREAM_BACKOFF_CROWDED },
		{ "MAIL", "530 5.7.0 Authentication required\r\n", UPSTREAM_LOGIN, UPSTREAM_BACKOFF_LOGIN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		(void)state;
		begin_pool(2);
		fake_relay_rule(&t.relay, cases[i].command, cases[i].reply, 1);
		assert_int_equal(send_one(&s), cases[i].class);
		assert_int_equal(pool_state().backoff, cases[i].backoff);
		assert_true(pool_state().backoff_left_ms > 0);
		size_t before = fake_relay_heard(&t.relay, "MAIL");
		assert_int_equal(send_one(&s), cases[i].class);
		assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), before);
		assert_int_equal(t.relay.connected, 1);
		end_pool();
	}
}

/* What a relay repeats of a recipient, or passes on from a recipient's server, is no word of its own. */
static void what_a_recipient_says_backs_off_from_nobody(void **state)
{
	static const struct {
		const char *command, *reply;
		enum upstream_class class;
	} cases[] = {
		{ "RCPT", "550 5.4.5 Daily user sending limit exceeded\r\n", UPSTREAM_ACCOUNT },
		{ "RCPT", "454 Throttling failure: Daily message quota exceeded, try again in 2 days\r\n",
		  UPSTREAM_ACCOUNT },
		{ "RCPT", "450 4.7.1 Error: too much mail from 192.0.2.1, try again in 2 days\r\n",
		  UPSTREAM_THROTTLED },
		{ "RCPT", "432 4.3.2 Concurrent connections limit exceeded\r\n", UPSTREAM_THROTTLED },
		{ "RCPT", "535 5.7.8 Username and Password not accepted\r\n", UPSTREAM_LOGIN },
		{ "DATA", "450 4.7.1 two@example.net: try again in 2 days\r\n", UPSTREAM_TRANSPORT },
		{ "DATA", "550 one@example.net is gone\r\n", UPSTREAM_MESSAGE },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		begin_pool(2);
		fake_relay_rule(&t.relay, cases[i].command, cases[i].reply, 1);
		assert_int_equal(send_one(&s), cases[i].class);
		assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_NONE);
		assert_int_equal(send_one(&s), UPSTREAM_ACCEPTED);
		assert_int_equal(t.relay.connected, 1); /* nor does it cost a login */
		end_pool();
	}
}

/* Pieces of an address, as if they were its own words: quotes and blanks are worth no trust. */
static void pieces_of_an_address_back_off_from_nobody(void **state)
{
	static const struct {
		const char *recipient, *reply;
	} cases[] = {
		{ "\"5.4.5 Error: too much mail from\"@x.example", "450 4.7.1 Error: too much mail from you\r\n" },
		{ "\"too much\"@x.example", "450 4.7.1 Error: too much mail from you\r\n" },
		{ "\"x 5.4.5\"@x.example", "550 5.4.5 is not known\r\n" },
		{ "5.4.5.x@x.example", "550 5.4.5 is not known\r\n" },
	};
	static const char *const stages[] = { "MAIL", "DATA", "." };
	(void)state;
	for (size_t i = 0; i < 12; i++) {
		struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com") };
		struct sending s;
		begin_pool(1);
		fake_relay_rule(&t.relay, stages[i % 3], cases[i / 3].reply, 1);
		begin_envelope(&t, &s, &envelope, &cases[i / 3].recipient, 1);
		run_until(t.loop, is_answered, &s);
		if (!s.done) {
			send_text(&t, &s, BODY);
			run_until(t.loop, is_held, &s);
			if (!s.done)
				upstream_release(s.upstream, LIMIT_MS);
			run_until(t.loop, is_done, &s);
			spool_message_free(&s.message);
		}
		assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_NONE);
		end_pool();
	}
}

static void other_sections_of_the_account_back_off_too(void **state)
{
	struct sending s;
	struct upstream_pool *first;
	(void)state;
	begin_pool(2);
	fake_relay_rule(&t.relay, "MAIL", "550 5.4.5 Daily user sending limit exceeded\r\n", 1);
	assert_int_equal(send_one(&s), UPSTREAM_ACCOUNT);
	first = t.pool;
	upstream_test_open(&t); /* as the next relay process does */
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_ACCOUNT);
	assert_non_null(strstr(pool_state().backoff_reason, "Daily user sending limit"));
	assert_int_equal(send_one(&s), UPSTREAM_ACCOUNT);
	assert_non_null(strstr(s.reason, "account has sent enough: "));
	upstream_pool_free(&first);
	end_pool();
}

/* As the relay says, within what such a back-off may be: a word of it is not worth two days. */
static void a_hint_sets_how_long(void **state)
{
	static const struct {
		const char *command, *reply;
		uint64_t ms;
	} cases[] = {
		{ "MAIL", "550 5.4.5 Limit exceeded, try again in 7 minutes\r\n", 7 * 60000 },
		{ "MAIL", "550 5.4.5 Limit exceeded, try again in 2 days\r\n", 24 * 3600000 },
		{ "MAIL", "454 Throttling failure: try again in 2 days\r\n", 10 * 60000 },
		{ "MAIL", "432 4.3.2 Concurrent connections, try again in 2 days\r\n", 2 * 60000 },
		{ "MAIL", "530 5.7.0 Log in, try again in 2 days\r\n", 10 * 60000 },
		{ ".", "450 4.7.1 Error: too much mail from you, try again in 2 days\r\n", 10 * 60000 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		begin_pool(1);
		fake_relay_rule(&t.relay, cases[i].command, cases[i].reply, 1);
		send_one(&s);
		assert_in_range(pool_state().backoff_left_ms, cases[i].ms - 10000, cases[i].ms);
		end_pool();
	}
}

static void after_a_backoff_one_message_finds_out(void **state)
{
	struct sending s[3];
	(void)state;
	begin_pool(3);
	char address[64];
	snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)t.relay.port);
	uint64_t key = backoffs_key("account", address, "");
	fake_relay_rule(&t.relay, "MAIL", "550 5.4.5 Limit exceeded\r\n", 1);
	assert_int_equal(send_one(&s[0]), UPSTREAM_ACCOUNT);
	assert_true(backoffs_left_ms(t.backoffs, key) > 0);
	backoffs_begin(t.backoffs, key, 30, "over soon");
	run_for(t.loop, 60);
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_ACCOUNT);
	assert_int_equal(pool_state().backoff_left_ms, 0);
	for (size_t i = 0; i < 3; i++)
		begin_of(&s[i], "a", "");
	run_until(t.loop, is_answered, &s[0]);
	run_for(t.loop, 50);
	assert_int_equal(s[1].replies + s[2].replies, 0);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), 2);
	finish_sending(&s[0]);
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_NONE);
	run_until(t.loop, is_answered, &s[1]);
	run_until(t.loop, is_answered, &s[2]);
	finish_sending(&s[1]);
	finish_sending(&s[2]);
	end_pool();
}

/* What becomes of this user's message, when the relay hangs up at its dot. */
static void lose_one_of(const char *user)
{
	struct sending s;
	begin_of(&s, user, "");
	run_until(t.loop, is_answered, &s);
	send_text(&t, &s, BODY);
	run_until(t.loop, is_held, &s);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	spool_message_free(&s.message);
	assert_int_equal(s.class, UPSTREAM_UNKNOWN);
}

static void messages_of_one_user_do_not_open_the_breaker_for_all(void **state)
{
	(void)state;
	begin_pool(1);
	fake_relay_rule(&t.relay, ".", HANG_UP, 0);
	for (unsigned i = 0; i < 12; i++)
		lose_one_of("a");
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_NONE);
	lose_one_of("b");
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_SILENT);
	end_pool();
}

static void transactions_without_a_reply_open_the_breaker(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	fake_relay_rule(&t.relay, ".", HANG_UP, 0);
	for (unsigned i = 0; i < 5; i++)
		lose_one_of(i % 2 ? "a" : "b");
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_SILENT);
	assert_int_equal(send_one(&s), UPSTREAM_TRANSPORT);
	assert_int_equal(t.relay.dots, 5);
	end_pool();
}

static void a_message_in_between_keeps_it_closed(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	for (unsigned i = 0; i < 8; i++) {
		fake_relay_rule(&t.relay, ".", i % 4 == 3 ? "250 2.0.0 queued as 1\r\n" : HANG_UP, 1);
		assert_int_equal(send_one(&s), i % 4 == 3 ? UPSTREAM_ACCEPTED : UPSTREAM_UNKNOWN);
	}
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_NONE);
	end_pool();
}

static void a_paused_relay_begins_nothing_and_ends_what_it_began(void **state)
{
	struct sending begun, s;
	(void)state;
	begin_pool(2);
	begin_of(&begun, "a", "");
	run_until(t.loop, is_answered, &begun);
	upstream_pool_pause(t.pool);
	assert_true(pool_state().paused);
	assert_int_equal(send_one(&s), UPSTREAM_BUSY);
	assert_string_equal(s.reason, "paused by an administrator");
	finish_sending(&begun);
	upstream_pool_resume(t.pool);
	assert_false(pool_state().paused);
	assert_int_equal(send_one(&s), UPSTREAM_ACCEPTED);
	end_pool();
}

/* The next socket fails. */
static void without_descriptors_it_backs_off(void **state)
{
	struct rlimit all, few;
	struct sending s;
	(void)state;
	begin_pool(2);
	int next = dup(STDERR_FILENO);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	begin_of(&s, "a", "");
	run_until(t.loop, is_done, &s);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_int_equal(pool_state().backoff, UPSTREAM_BACKOFF_OURS);
	assert_int_equal(upstream_pool_size(t.pool), 0);
	end_pool();
}

static void no_more_than_four_log_in_at_once(void **state)
{
	struct sending first, s[12];
	(void)state;
	begin_pool(12);
	begin_of(&first, "a", "");
	run_until(t.loop, is_answered, &first);
	t.is_mute = true;
	for (size_t i = 0; i < 12; i++)
		begin_of(&s[i], "a", "");
	run_for(t.loop, 100);
	assert_int_equal(t.relay.connected, 1 + 4);
	for (size_t i = 0; i < 12; i++)
		upstream_abort(&s[i].upstream);
	upstream_abort(&first.upstream);
	end_pool();
}

/* ---- mailboxes */

static void mailboxes_have_connections_and_backoffs_of_their_own(void **state)
{
	struct sending one, other;
	(void)state;
	begin_pool(2);
	begin_of(&one, "a", "one@example.com");
	run_until(t.loop, is_answered, &one);
	assert_int_equal(pool_state().busy, 1); /* as relay list shows the section, whichever mailbox it is */
	finish_sending(&one);
	begin_of(&other, "a", "other@example.com");
	run_until(t.loop, is_answered, &other);
	assert_int_equal(t.relay.connected, 2);
	finish_sending(&other);
	fake_relay_rule(&t.relay, "MAIL", "550 5.4.5 Daily user sending limit exceeded\r\n", 1);
	begin_of(&one, "a", "one@example.com");
	run_until(t.loop, is_done, &one);
	assert_int_equal(one.class, UPSTREAM_ACCOUNT);
	begin_of(&other, "a", "other@example.com");
	run_until(t.loop, is_answered, &other);
	finish_sending(&other);
	assert_int_equal(t.relay.connected, 2);
	end_pool();
}

static void mailboxes_make_room_for_each_other(void **state)
{
	char mailbox[32];
	struct sending s;
	(void)state;
	begin_pool(2);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(mailbox, sizeof(mailbox), "m%u@example.com", i);
		begin_of(&s, "a", mailbox);
		run_until(t.loop, is_answered, &s);
		finish_sending(&s);
		assert_true(upstream_pool_size(t.pool) <= 2);
	}
	assert_int_equal(t.relay.connected, 6);
	assert_int_equal(fake_relay_heard(&t.relay, "QUIT"), 4);
	end_pool();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_take_turns),
		cmocka_unit_test(a_late_user_does_not_wait_for_one_who_took_many_turns),
		cmocka_unit_test(slots_of_another_process_are_waited_for),
		cmocka_unit_test(a_refusal_about_the_account_backs_off_from_it),
		cmocka_unit_test(what_a_recipient_says_backs_off_from_nobody),
		cmocka_unit_test(pieces_of_an_address_back_off_from_nobody),
		cmocka_unit_test(other_sections_of_the_account_back_off_too),
		cmocka_unit_test(a_hint_sets_how_long),
		cmocka_unit_test(after_a_backoff_one_message_finds_out),
		cmocka_unit_test(messages_of_one_user_do_not_open_the_breaker_for_all),
		cmocka_unit_test(transactions_without_a_reply_open_the_breaker),
		cmocka_unit_test(a_message_in_between_keeps_it_closed),
		cmocka_unit_test(a_paused_relay_begins_nothing_and_ends_what_it_began),
		cmocka_unit_test(without_descriptors_it_backs_off),
		cmocka_unit_test(no_more_than_four_log_in_at_once),
		cmocka_unit_test(mailboxes_have_connections_and_backoffs_of_their_own),
		cmocka_unit_test(mailboxes_make_room_for_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
