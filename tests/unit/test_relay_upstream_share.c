/* One user among others at a relay: never all its connections, and none for ever while others wait. */
#include "with_upstream.h"

#define LONG_MS 30000

static struct upstream_test t;

static void begin_pool(uint64_t connections)
{
	upstream_test_begin(&t);
	t.config.connections = connections;
	t.config.reply_timeout = LONG_MS;
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "RCPT TO:<slow@", "", 0);
}

/* `recipient`: one that is at slow@ gets no answer. */
static void begin_of(struct sending *s, const char *user, const char *recipient)
{
	const struct upstream_recipient list[] = { { .address = span_of(recipient) } };
	const struct upstream_envelope envelope = { .user = span_of(user), .mail_from = SPAN("us@example.com") };
	*s = (struct sending){ 0 };
	assert_int_equal(upstream_begin(t.pool, &envelope, list, 1, LONG_MS, &note_all, s, &s->upstream), STATUS_OK);
}

static void end_pool(struct sending *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		upstream_abort(&list[i].upstream);
	upstream_test_end(&t);
}

static void send_quickly(const char *user)
{
	struct sending quick;
	uint64_t before_ms = clock_monotonic_ms();
	begin_of(&quick, user, "quick@example.net");
	run_until(t.loop, is_answered, &quick);
	assert_int_equal(quick.done, 0);
	assert_true(clock_monotonic_ms() - before_ms < 1500); /* nobody had to give way */
	send_text(&t, &quick, BODY);
	run_until(t.loop, is_held, &quick);
	upstream_release(quick.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &quick);
	spool_message_free(&quick.message);
	assert_accepted(&quick);
}

static void one_user_leaves_connections_for_others(void **state)
{
	static const struct {
		uint64_t connections;
		unsigned one, other; /* what the first user gets, and then the second */
	} cases[] = { { 2, 1, 1 }, { 3, 2, 1 }, { 4, 3, 1 }, { 10, 7, 2 } };
	struct sending slow[24];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_pool(cases[i].connections);
		send_quickly("a"); /* now it is known that logins go well */
		for (size_t j = 0; j < 12; j++)
			begin_of(&slow[j], "a", "slow@example.net");
		run_for(t.loop, 100);
		assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), cases[i].one);
		send_quickly("b");
		send_quickly("a'");
		for (size_t j = 12; j < 24; j++)
			begin_of(&slow[j], "b", "slow@example.net");
		run_for(t.loop, 100);
		assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), cases[i].one + cases[i].other);
		end_pool(slow, 24);
	}
}

static void the_only_connection_is_anybodys(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(1);
	send_quickly("a");
	send_quickly("b");
	begin_of(&s, "a", "slow@example.net");
	run_for(t.loop, 50);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), 1);
	end_pool(&s, 1);
}

static void whoever_has_more_gives_way_to_whoever_has_none(void **state)
{
	struct sending s[4];
	(void)state;
	begin_pool(3);
	send_quickly("a");
	begin_of(&s[0], "a", "slow@example.net");
	begin_of(&s[1], "a", "slow@example.net");
	run_for(t.loop, 100);
	begin_of(&s[2], "b", "slow@example.net");
	run_for(t.loop, 100);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), 3);
	begin_of(&s[3], "c", "quick@example.net");
	for (unsigned i = 0; i < 20 && !s[3].replies; i++)
		run_for(t.loop, 500);
	assert_int_equal(s[3].replies, 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(s[i].done, 0); /* the one that gave way waits for its next turn */
	upstream_abort(&s[3].upstream);
	upstream_abort(&s[2].upstream);
	for (unsigned i = 0; i < 80 && fake_relay_heard(&t.relay, "RCPT TO:<slow@") < 4; i++)
		run_for(t.loop, 100);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), 4);
	end_pool(s, 2);
}

static void whoever_has_its_share_lives_on_its_own_silent_ones(void **state)
{
	struct sending s[3];
	(void)state;
	begin_pool(3);
	send_quickly("a");
	for (size_t i = 0; i < 3; i++)
		begin_of(&s[i], "a", "quick@example.net");
	run_for(t.loop, 1000);
	assert_int_equal(s[0].replies + s[1].replies + s[2].replies, 2); /* and their owners are silent */
	for (unsigned i = 0; i < 40 && !s[2].replies; i++)
		run_for(t.loop, 100);
	assert_int_equal(s[2].replies, 1);
	assert_true(t.relay.connected <= 2);
	end_pool(s, 3);
}

static void nobody_gives_way_to_an_equal(void **state)
{
	struct sending s[3];
	(void)state;
	begin_pool(2);
	send_quickly("a");
	begin_of(&s[0], "a", "slow@example.net");
	begin_of(&s[1], "b", "slow@example.net");
	run_for(t.loop, 100);
	begin_of(&s[2], "c", "quick@example.net");
	run_for(t.loop, 3000); /* else a relay that is slow to all would get no envelope to its end */
	assert_int_equal(s[2].replies + s[2].done, 0);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), 2);
	end_pool(s, 3);
}

/* After a back-off one transaction finds out whether all is well again: this one gets no answer. */
static void begin_slow_probe(struct sending *slow)
{
	char address[80];
	begin_pool(3);
	send_quickly("a");
	snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)t.relay.port);
	backoffs_begin(t.backoffs, backoffs_key("account", address, ""), 1, "over soon");
	run_for(t.loop, 20);
	begin_of(slow, "a", "slow@example.net");
	run_for(t.loop, 50);
}

static void wait_for_reply(const struct sending *s)
{
	for (unsigned i = 0; i < 30 && !s->replies; i++)
		run_for(t.loop, 500);
	assert_int_equal(s->replies, 1);
}

static void a_probe_that_is_slow_gives_way(void **state)
{
	struct sending slow, quick;
	(void)state;
	begin_slow_probe(&slow);
	begin_of(&quick, "b", "quick@example.net");
	run_for(t.loop, 1000);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), 1);
	assert_int_equal(quick.replies + quick.done, 0); /* one at a time */
	wait_for_reply(&quick);
	assert_int_equal(slow.done, 0);
	upstream_abort(&quick.upstream);
	end_pool(&slow, 1);
}

/* Else one that is slow by nature would never come to its end: 2 s at first, then 4; and RSET has 5 more. */
static void whoever_gave_way_is_let_be_for_twice_as_long(void **state)
{
	struct sending slow, quick;
	(void)state;
	begin_slow_probe(&slow);
	begin_of(&quick, "b", "quick@example.net");
	wait_for_reply(&quick);
	uint64_t before_ms = clock_monotonic_ms();
	upstream_abort(&quick.upstream);
	for (unsigned i = 0; i < 100 && fake_relay_heard(&t.relay, "RCPT TO:<slow@") < 2; i++)
		run_for(t.loop, 50);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT TO:<slow@"), 2);
	begin_of(&quick, "b", "quick@example.net");
	wait_for_reply(&quick);
	assert_true(clock_monotonic_ms() - before_ms > 8000);
	upstream_abort(&quick.upstream);
	end_pool(&slow, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_user_leaves_connections_for_others),
		cmocka_unit_test(the_only_connection_is_anybodys),
		cmocka_unit_test(whoever_has_more_gives_way_to_whoever_has_none),
		cmocka_unit_test(whoever_has_its_share_lives_on_its_own_silent_ones),
		cmocka_unit_test(nobody_gives_way_to_an_equal),
		cmocka_unit_test(a_probe_that_is_slow_gives_way),
		cmocka_unit_test(whoever_gave_way_is_let_be_for_twice_as_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
