/* One message's dialog with its relay: what is said, in which order, and what each answer leads to. */
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

static void begin(void)
{
	upstream_test_begin(&t);
	upstream_test_open(&t);
}

static void end(struct sending *s)
{
	upstream_abort(&s->upstream);
	spool_message_free(&s->message);
	upstream_test_end(&t);
}

static void a_message_goes_out_and_is_accepted(void **state)
{
	struct sending s;
	(void)state;
	begin();
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_string_equal(s.reply[0], "250 2.1.5 fine");
	assert_string_equal(s.reply[1], "250 2.1.5 fine");
	assert_int_equal(s.reply_count, 2);
	assert_string_equal(s.reason, "accepted: 250 2.0.0 queued as 1");
	assert_string_equal(s.host, "127.0.0.1");
	assert_heard(LOGIN ENVELOPE "DATA\n");
	assert_true(span_equal(buf_span(&t.relay.body), SPAN(BODY ".\r\n")));
	end(&s);
}

static void commands_go_in_one_piece_where_the_relay_takes_that(void **state)
{
	struct sending s;
	(void)state;
	begin();
	send_whole(&t, &s);
	assert_int_equal(t.relay.most_at_once, 3);
	end(&s);
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
	end(&s);
}

static void size_and_body_are_said_where_they_are_offered(void **state)
{
	static const char *const recipients[] = { "one@example.net" };
	struct upstream_envelope envelope = { .eight_bit = true, .size = 77 }; /* and the empty sender */
	struct sending s;
	(void)state;
	begin();
	begin_envelope(&t, &s, &envelope, recipients, 1);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL FROM:<> SIZE=77 BODY=8BITMIME"), 1);
	end(&s);

	upstream_test_begin(&t);
	t.relay.features = "250 AUTH PLAIN\r\n";
	upstream_test_open(&t);
	begin_envelope(&t, &s, &envelope, recipients, 1);
	run_until(t.loop, is_answered, &s);
	assert_heard(LOGIN "MAIL FROM:<>\nRCPT TO:<one@example.net>\n");
	end(&s);
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
		end(&s);
	}
}

static void each_recipient_has_its_own_reply(void **state)
{
	struct sending s;
	(void)state;
	begin();
	fake_relay_rule(&t.relay, "RCPT TO:<one", "550-5.1.1 nobody\r\n550 5.1.1 by that name\r\n", 0);
	send_whole(&t, &s);
	assert_string_equal(s.reply[0], "550 5.1.1 nobody\nby that name");
	assert_string_equal(s.reply[1], "250 2.1.5 fine");
	assert_accepted(&s);
	end(&s);
}

static void recipients_can_be_added_later(void **state)
{
	struct upstream_recipient third = { .address = SPAN("three@example.net") };
	struct sending s;
	(void)state;
	begin();
	fake_relay_rule(&t.relay, "RCPT TO:<three", "550 5.1.1 no\r\n", 0);
	open_sending(&t, &s);
	s.replies = 0;
	assert_int_equal(upstream_add_recipients(s.upstream, &third, 1), STATUS_OK);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.reply_count, 3);
	assert_string_equal(s.reply[2], "550 5.1.1 no");
	assert_heard(LOGIN ENVELOPE "RCPT TO:<three@example.net>\n");
	end(&s);
}

static void recipients_added_before_the_first_answer_are_told_with_the_first(void **state)
{
	struct upstream_recipient third = { .address = SPAN("three@example.net") };
	struct sending s;
	(void)state;
	begin();
	begin_sending(&t, &s);
	assert_int_equal(upstream_add_recipients(s.upstream, &third, 1), STATUS_OK);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.replies, 1);
	assert_int_equal(s.reply_count, 3);
	end(&s);
}

static void more_recipients_than_a_window_all_arrive(void **state)
{
	static char addresses[150][32];
	const char *recipients[150];
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com") };
	struct sending s;
	(void)state;
	begin();
	for (unsigned i = 0; i < 150; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "r%u@example.net", i);
		recipients[i] = addresses[i];
	}
	begin_envelope(&t, &s, &envelope, recipients, 150);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.reply_count, 150);
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT"), 150);
	assert_true(t.relay.most_at_once <= 100);
	end(&s);
}

static void an_address_that_is_a_command_is_refused(void **state)
{
	static const char *const bad[] = { "a@b>\r\nRCPT TO:<c@d", "a@b\nQUIT", "a@b> SIZE=1", "", "a b@c" };
	struct upstream_envelope good = { .mail_from = SPAN("us@example.com") };
	struct upstream_recipient ok = { .address = SPAN("one@example.net") };
	struct upstream *u = NULL;
	(void)state;
	begin();
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
	begin();
	hold_sending(&t, &s);
	run_for(t.loop, 50);
	assert_int_equal(s.held, 1);
	assert_int_equal(s.done, 0);
	assert_int_equal(t.relay.dots, 0);
	assert_true(span_equal(buf_span(&t.relay.body), SPAN(BODY)));
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_int_equal(t.relay.dots, 1);
	assert_accepted(&s);
	end(&s);
}

static void a_large_message_arrives_as_it_is(void **state)
{
	enum { LINES = 40000, LINE = 80 };
	static char body[LINES * LINE + 1];
	struct sending s;
	(void)state;
	begin();
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
	end(&s);
}

static void an_empty_message_is_a_dot_alone(void **state)
{
	struct sending s;
	(void)state;
	begin();
	open_sending(&t, &s);
	send_text(&t, &s, "");
	run_until(t.loop, is_held, &s);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s);
	assert_true(span_equal(buf_span(&t.relay.body), SPAN(".\r\n")));
	end(&s);
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
	{ "gone behind the dot", ".", HANG_UP, UPSTREAM_UNKNOWN, true, "127.0.0.1: closed by the relay" },
	{ "silent behind the dot", ".", "", UPSTREAM_UNKNOWN, true, "127.0.0.1: no reply in time" },
	{ "nonsense behind the dot", ".", "ok\r\n", UPSTREAM_UNKNOWN, true,
	  "127.0.0.1: what it said is no SMTP reply" },
	{ "half a reply behind the dot", ".", "250-2.0.0 que\r\n" HANG_UP, UPSTREAM_UNKNOWN, true,
	  "127.0.0.1: closed by the relay" },
	{ "a question behind the dot", ".", "354 more\r\n", UPSTREAM_UNKNOWN, true,
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
	end(&s);
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
		begin();
		fake_relay_rule(&t.relay, ".", flood, 0);
		send_whole(&t, &s);
		assert_int_equal(s.class, cases[i].class);
		assert_string_equal(s.last_reply, cases[i].reply);
		run_for(t.loop, 20);
		assert_int_equal(upstream_pool_size(t.pool), 0);
		end(&s);
	}
	free(flood);
}

static void a_refusal_amid_the_message_is_definite(void **state)
{
	struct sending s;
	(void)state;
	begin();
	fake_relay_rule(&t.relay, "BODY", "552 5.3.4 too large\r\n", 0);
	open_sending(&t, &s);
	send_text(&t, &s, BODY);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_MESSAGE);
	assert_false(s.dot_released);
	assert_string_equal(s.last_reply, "552 5.3.4 too large");
	run_for(t.loop, 20);
	assert_int_equal(upstream_pool_size(t.pool), 0);
	assert_int_equal(t.relay.dots, 0);
	end(&s);
}

static void an_acceptance_before_the_dot_counts_as_none(void **state)
{
	struct sending s;
	(void)state;
	begin();
	fake_relay_rule(&t.relay, "BODY", "250 2.0.0 got it\r\n", 0);
	open_sending(&t, &s);
	send_text(&t, &s, BODY);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_false(s.dot_released);
	end(&s);
}

static void a_connection_lost_while_the_dot_is_held_is_definite(void **state)
{
	struct sending s;
	(void)state;
	begin();
	hold_sending(&t, &s);
	fake_relay_cut(&t.relay);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_false(s.dot_released);
	end(&s);
}

/* on_done is due at the end of this turn: the owner can't know yet, and releases. */
static void a_release_behind_the_end_sends_nothing(void **state)
{
	struct sending s;
	(void)state;
	begin();
	hold_sending(&t, &s);
	upstream_connection_lost(s.upstream->connection, "cut");
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	assert_false(s.dot_released);
	assert_int_equal(t.relay.dots, 0);
	end(&s);
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
		begin();
		hold_sending(&t, &s);
		relay_speaks_up(cases[i].text);
		upstream_release(s.upstream, LIMIT_MS);
		run_until(t.loop, is_done, &s);
		assert_int_equal(s.class, cases[i].class);
		assert_false(s.dot_released);
		run_for(t.loop, 20);
		assert_int_equal(t.relay.dots, 0);
		assert_int_equal(upstream_pool_size(t.pool), 0);
		end(&s);
	}
}

/* Neither DATA nor more recipients: the envelope is said again on another connection. */
static void a_reply_that_is_there_already_ends_the_connection(void **state)
{
	struct upstream_recipient more = { .address = SPAN("three@example.net") };
	struct sending s;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin();
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
		end(&s);
	}
}

/* Nor is it MAIL's, on a connection that was idle. */
static void a_reply_that_came_in_between_ends_the_connection(void **state)
{
	struct sending first, next;
	(void)state;
	begin();
	send_whole(&t, &first);
	assert_accepted(&first);
	run_for(t.loop, 20);
	relay_speaks_up("250 2.1.0 fine\r\n");
	send_whole(&t, &next);
	assert_accepted(&next);
	assert_int_equal(t.relay.connected, 2);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), 2);
	end(&next);
}

/* ---- giving up */

static void an_attempt_given_up_leaves_a_clean_connection(void **state)
{
	struct sending s, next;
	(void)state;
	begin();
	open_sending(&t, &s);
	upstream_abort(&s.upstream);
	assert_null(s.upstream);
	send_whole(&t, &next);
	assert_accepted(&next);
	assert_int_equal(s.done, 0);
	assert_heard(LOGIN ENVELOPE "RSET\n" ENVELOPE "DATA\n");
	assert_int_equal(t.relay.connected, 1);
	end(&next);
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
	end(&next);
}

static void an_attempt_given_up_within_its_message_costs_the_connection(void **state)
{
	struct sending s, next;
	(void)state;
	begin();
	hold_sending(&t, &s);
	upstream_abort(&s.upstream);
	spool_message_free(&s.message);
	send_whole(&t, &next);
	assert_accepted(&next);
	assert_int_equal(t.relay.connected, 2);
	assert_int_equal(t.relay.dots, 1);
	end(&next);
}

static void an_attempt_given_up_in_the_queue_is_forgotten(void **state)
{
	struct sending s;
	(void)state;
	begin();
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
		cmocka_unit_test(a_large_message_arrives_as_it_is),
		cmocka_unit_test(an_empty_message_is_a_dot_alone),
		cmocka_unit_test(each_answer_leads_to_its_outcome),
		cmocka_unit_test(a_verdict_without_end_is_one),
		cmocka_unit_test(a_refusal_amid_the_message_is_definite),
		cmocka_unit_test(an_acceptance_before_the_dot_counts_as_none),
		cmocka_unit_test(a_connection_lost_while_the_dot_is_held_is_definite),
		cmocka_unit_test(a_release_behind_the_end_sends_nothing),
		cmocka_unit_test(a_reply_that_is_there_already_holds_the_dot_back),
		cmocka_unit_test(a_reply_that_is_there_already_ends_the_connection),
		cmocka_unit_test(a_reply_that_came_in_between_ends_the_connection),
		cmocka_unit_test(an_attempt_given_up_leaves_a_clean_connection),
		cmocka_unit_test(replies_to_an_attempt_given_up_are_not_taken_for_the_next_ones),
		cmocka_unit_test(an_attempt_given_up_within_its_message_costs_the_connection),
		cmocka_unit_test(an_attempt_given_up_in_the_queue_is_forgotten),
	};
	return cmocka_run_group_tests_name("relay: upstream dialog", tests, NULL, NULL);
}
