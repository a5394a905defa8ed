/* What each of the upstream's answers leads to, and what happens when one comes out of step. */
#include "with_upstream.h"

#include "net/stream_state.h"
#include "relay/upstream/private.h"

static struct upstream_test t;

static void begin_pool(void)
{
	upstream_test_begin(&t);
	upstream_test_open(&t);
}

/* ---- answers, and what they lead to */

struct answer_case {
	const char *what;
	const char *command, *reply; /* the fake relay's rule */
	enum upstream_class class;
	bool dot_released;
	const char *reason;
};

static const struct answer_case answer_cases[] = {
	{ "MAIL refused for the sender", "MAIL", "553 5.7.1 not yours\r\n", UPSTREAM_SENDER, false,
	  "MAIL refused: 553 5.7.1 not yours" },
	{ "MAIL refused for the account", "MAIL", "550 5.4.5 daily limit\r\n", UPSTREAM_ACCOUNT, false,
	  "MAIL refused: 550 5.4.5 daily limit" },
	{ "MAIL put off", "MAIL", "451 4.3.0 later\r\n", UPSTREAM_TRANSPORT, false, "MAIL refused: 451 4.3.0 later" },
	{ "MAIL answered with a question", "MAIL", "354 what\r\n", UPSTREAM_TRANSPORT, false,
	  "reply out of step to MAIL: 354 what" },
	{ "RCPT refused for the account", "RCPT", "550 5.4.5 daily limit\r\n", UPSTREAM_ACCOUNT, false,
	  "RCPT refused: 550 5.4.5 daily limit" },
	{ "RCPT answered with good-bye", "RCPT", "421 4.3.2 bye\r\n" HANG_UP, UPSTREAM_TRANSPORT, false,
	  "RCPT refused: 421 4.3.2 bye" },
	{ "the connection lost at RCPT", "RCPT", HANG_UP, UPSTREAM_TRANSPORT, false, "127.0.0.1: closed by the relay" },
	{ "RCPT answered with nonsense", "RCPT", "hello\r\n", UPSTREAM_TRANSPORT, false,
	  "127.0.0.1: what it said is no SMTP reply" },
	{ "RCPT never answered", "RCPT", "", UPSTREAM_TRANSPORT, false, "127.0.0.1: no reply in time" },
	{ "DATA refused as nobody is there", "DATA", "554 5.5.1 no valid recipients\r\n", UPSTREAM_RECIPIENTS, false,
	  "DATA refused: 554 5.5.1 no valid recipients" },
	{ "DATA refused", "DATA", "451 4.3.0 later\r\n", UPSTREAM_TRANSPORT, false, "DATA refused: 451 4.3.0 later" },
	{ "DATA answered with 250", "DATA", "250 2.0.0 done\r\n", UPSTREAM_TRANSPORT, false,
	  "reply out of step to DATA: 250 2.0.0 done" },
	{ "the connection lost at DATA", "DATA", HANG_UP, UPSTREAM_TRANSPORT, false, "127.0.0.1: closed by the relay" },
	{ "the message refused", ".", "550 5.7.1 spam\r\n", UPSTREAM_MESSAGE, true, "message refused: 550 5.7.1 spam" },
	{ "the message put off", ".", "452 4.3.1 disk\r\n", UPSTREAM_TRANSPORT, true,
	  "message refused: 452 4.3.1 disk" },
	{ "the account exhausted at the dot", ".", "550 5.4.5 daily limit\r\n", UPSTREAM_ACCOUNT, true,
	  "message refused: 550 5.4.5 daily limit" },
	{ "good-bye to the dot is a definite no", ".", "421 4.3.2 bye\r\n" HANG_UP, UPSTREAM_TRANSPORT, true,
	  "message refused: 421 4.3.2 bye" },
	{ "gone after the dot", ".", HANG_UP, UPSTREAM_UNKNOWN, true, "127.0.0.1: closed by the relay" },
	{ "silent after the dot", ".", "", UPSTREAM_UNKNOWN, true, "127.0.0.1: no reply in time" },
	{ "nonsense after the dot", ".", "ok\r\n", UPSTREAM_UNKNOWN, true, "127.0.0.1: what it said is no SMTP reply" },
	{ "half a reply after the dot", ".", "250-2.0.0 que\r\n" HANG_UP, UPSTREAM_UNKNOWN, true,
	  "127.0.0.1: closed by the relay" },
	{ "a question after the dot", ".", "354 more\r\n", UPSTREAM_UNKNOWN, true,
	  "reply out of step to the final dot: 354 more" },
};

static void run_answer_case(const struct answer_case *c)
{
	struct sending s;
	upstream_test_begin(&t);
	t.config.reply_timeout = 100;
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, c->command, c->reply, 0);
	open_sending(&t, &s);
	if (!s.done) {
		send_text(&t, &s, BODY);
		run_until(t.loop, is_held, &s);
		if (!s.done)
			upstream_release(s.upstream, t.config.reply_timeout);
		run_until(t.loop, is_done, &s);
	}
	if (s.class != c->class || s.dot_released != c->dot_released || s.done != 1 || strcmp(s.reason, c->reason) != 0)
		fail_msg("%s: class %d, released %d, \"%s\"", c->what, s.class, s.dot_released, s.reason);
	upstream_test_end_with(&t, &s);
}

static void each_answer_leads_to_its_outcome(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answer_cases) / sizeof(answer_cases[0]); i++)
		run_answer_case(&answer_cases[i]);
}

/* More than 64 KiB of reply: what it began with counts. */
static void a_verdict_without_end_is_one(void **state)
{
	static const struct {
		const char *line, *reply;
		enum upstream_class class;
	} cases[] = {
		{ "250-2.0.0 queued as 1\r\n", "250 2.0.0 queued as 1", UPSTREAM_ACCEPTED },
		{ "554-5.7.1 spam\r\n", "554 5.7.1 spam", UPSTREAM_MESSAGE },
		{ "451-4.3.0 later\r\n", "451 4.3.0 later", UPSTREAM_TRANSPORT },
	};
	char *flood = malloc(2 * REPLY_SIZE_MAXIMUM);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		size_t size = 0;
		for (; size < REPLY_SIZE_MAXIMUM + 100; size += strlen(cases[i].line))
			memcpy(flood + size, cases[i].line, strlen(cases[i].line) + 1);
		begin_pool();
		fake_relay_rule(&t.relay, ".", flood, 0);
		send_whole(&t, &s);
		assert_int_equal(s.class, cases[i].class);
		assert_string_equal(s.last_reply, cases[i].reply);
		run_for(t.loop, 20);
		assert_int_equal(upstream_pool_size(t.pool), 0);
		upstream_test_end_with(&t, &s);
	}
	free(flood);
}

static void a_refusal_amid_the_message_is_definite(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	fake_relay_rule(&t.relay, "BODY", "552 5.3.4 too large\r\n", 0);
	open_sending(&t, &s);
	send_text(&t, &s, long_body());
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_MESSAGE);
	assert_false(s.dot_released);
	assert_string_equal(s.last_reply, "552 5.3.4 too large");
	run_for(t.loop, 20);
	assert_int_equal(upstream_pool_size(t.pool), 0);
	assert_int_equal(t.relay.dots, 0);
	upstream_test_end_with(&t, &s);
}

static void an_acceptance_before_the_dot_counts_as_none(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	fake_relay_rule(&t.relay, "BODY", "250 2.0.0 got it\r\n", 0);
	open_sending(&t, &s);
	send_text(&t, &s, long_body());
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_false(s.dot_released);
	upstream_test_end_with(&t, &s);
}

static void a_connection_lost_while_the_dot_is_held_is_definite(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	hold_sending(&t, &s);
	fake_relay_cut(&t.relay);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_false(s.dot_released);
	upstream_test_end_with(&t, &s);
}

/* on_done is due at the end of this turn: the owner can't know yet, and releases. */
static void a_release_after_the_end_sends_nothing(void **state)
{
	struct sending s;
	(void)state;
	begin_pool();
	hold_sending(&t, &s);
	upstream_connection_lost(s.upstream->connection, "cut");
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_false(s.dot_released);
	assert_int_equal(t.relay.dots, 0);
	upstream_test_end_with(&t, &s);
}

/* ---- out of step */

/* In the kernel's buffer: the loop has not seen it when the next command is due. */
static void relay_speaks_up(const char *text)
{
	int fd = t.relay.callers[0].stream->channel.fd;
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

static void a_reply_that_is_there_already_holds_the_dot_back(void **state)
{
	static const struct {
		const char *text;
		enum upstream_class class;
	} cases[] = {
		{ "250 2.0.0 early\r\n", UPSTREAM_TRANSPORT },
		{ "554 5.7.1 spam\r\n", UPSTREAM_MESSAGE },
		{ "25", UPSTREAM_TRANSPORT },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		begin_pool();
		hold_sending(&t, &s);
		relay_speaks_up(cases[i].text);
		upstream_release(s.upstream, LIMIT_MS);
		run_until(t.loop, is_done, &s);
		assert_int_equal(s.class, cases[i].class);
		assert_false(s.dot_released);
		run_for(t.loop, 20);
		assert_int_equal(t.relay.dots, 0);
		assert_int_equal(upstream_pool_size(t.pool), 0);
		upstream_test_end_with(&t, &s);
	}
}

/* Neither DATA nor more recipients: the envelope is said again on another connection. */
static void a_reply_that_is_there_already_ends_the_connection(void **state)
{
	struct upstream_recipient more = { .address = SPAN("three@example.net") };
	struct sending s;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin_pool();
		open_sending(&t, &s);
		relay_speaks_up("250 2.1.5 fine\r\n");
		if (i) {
			s.replies = 0;
			assert_int_equal(upstream_add_recipients(s.upstream, &more, 1), STATUS_OK);
			run_until(t.loop, is_answered, &s);
			assert_int_equal(s.reply_count, 3);
		}
		send_text(&t, &s, BODY);
		run_until(t.loop, is_held, &s);
		upstream_release(s.upstream, LIMIT_MS);
		run_until(t.loop, is_done, &s);
		assert_accepted(&s);
		assert_int_equal(t.relay.connected, 2);
		upstream_test_end_with(&t, &s);
	}
}

/* Nor is it MAIL's, on a connection that was idle. */
static void a_reply_that_came_in_between_ends_the_connection(void **state)
{
	struct sending first, next;
	(void)state;
	begin_pool();
	send_whole(&t, &first);
	assert_accepted(&first);
	run_for(t.loop, 20);
	relay_speaks_up("250 2.1.0 fine\r\n");
	send_whole(&t, &next);
	assert_accepted(&next);
	assert_int_equal(t.relay.connected, 2);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), 2);
	upstream_test_end_with(&t, &next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_leads_to_its_outcome),
		cmocka_unit_test(a_verdict_without_end_is_one),
		cmocka_unit_test(a_refusal_amid_the_message_is_definite),
		cmocka_unit_test(an_acceptance_before_the_dot_counts_as_none),
		cmocka_unit_test(a_connection_lost_while_the_dot_is_held_is_definite),
		cmocka_unit_test(a_release_after_the_end_sends_nothing),
		cmocka_unit_test(a_reply_that_is_there_already_holds_the_dot_back),
		cmocka_unit_test(a_reply_that_is_there_already_ends_the_connection),
		cmocka_unit_test(a_reply_that_came_in_between_ends_the_connection),
	};
	return cmocka_run_group_tests_name("relay: upstream answers", tests, NULL, NULL);
}
