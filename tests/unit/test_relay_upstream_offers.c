/* What a relay offers, and what is made of it: SIZE, LIMITS, CHUNKING. */
#include "with_upstream.h"

#include "relay/upstream/private.h"

static struct upstream_test t;

#define FEATURES(...) "250-PIPELINING\r\n250-8BITMIME\r\n" __VA_ARGS__ "250 AUTH PLAIN\r\n"

static void begin_pool(const char *features)
{
	upstream_test_begin(&t);
	t.relay.features = features;
	t.config.connections = 1;
	upstream_test_open(&t);
}

/* ---- the reply to EHLO */

static void what_makes_no_sense_is_not_offered(void **state)
{
	static const struct {
		const char *line;
		uint64_t size, mail, rcpt;
	} cases[] = {
		{ "SIZE 35882577", 35882577, 0, 0 },
		{ "size 10 ", 10, 0, 0 },
		{ "SIZE", 0, 0, 0 },
		{ "SIZE 0", 0, 0, 0 },
		{ "SIZE -1", 0, 0, 0 },
		{ "SIZE 10 20", 0, 0, 0 },
		{ "SIZE 99999999999999999999999", 0, 0, 0 },
		{ "LIMITS RCPTMAX=100", 0, 0, 100 },
		{ "LIMITS MAILMAX=5 RCPTMAX=20 RCPTDOMAINMAX=1", 0, 5, 20 },
		{ "limits rcptmax=7 future=9 Mailmax=1", 0, 1, 7 },
		{ "LIMITS RCPTMAX=0 MAILMAX=0", 0, 0, 0 },
		{ "LIMITS RCPTMAX=1000000", 0, 0, 0 },
		{ "LIMITS RCPTMAX= MAILMAX RCPTDOMAINMAX=x", 0, 0, 0 },
		{ "LIMITS", 0, 0, 0 },
		{ "LIMITS RCPTMAX=1=2", 0, 0, 0 },
		{ "XLIMITS RCPTMAX=1", 0, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		struct upstream_features features;
		print_message("  %s\n", cases[i].line);
		snprintf(text, sizeof(text), "relay.example greets you\n%s\nCHUNKING", cases[i].line);
		upstream_features_read(span_of(text), &features);
		assert_int_equal(features.size_limit, cases[i].size);
		assert_int_equal(features.mail_limit, cases[i].mail);
		assert_int_equal(features.rcpt_limit, cases[i].rcpt);
		assert_true(features.chunking);
		assert_false(features.starttls);
	}
}

static void the_first_line_offers_nothing(void **state)
{
	struct upstream_features features;
	(void)state;
	upstream_features_read(SPAN("SIZE 5\nPIPELINING"), &features);
	assert_int_equal(features.size_limit, 0);
	assert_true(features.pipelining);
}

/* ---- SIZE */

static void a_message_larger_than_size_goes_elsewhere(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(FEATURES("250-SIZE 30\r\n"));
	open_sending(&t, &s);
	send_text(&t, &s, "Subject: x\r\n\r\nmore than thirty octets\r\n");
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_UNABLE);
	assert_string_equal(s.last_reply, "552 5.3.4 Message too large for the relay");
	assert_int_equal(fake_relay_heard(&t.relay, "DATA"), 0);
	spool_message_free(&s.message);
	open_sending(&t, &s);
	send_text(&t, &s, "Subject: x\r\n\r\n..fifteen oct\r\n"); /* 30 without the stuffed dot */
	run_until(t.loop, is_held, &s);
	assert_int_equal(s.done, 0);
	assert_int_equal(t.relay.connected, 1);
	upstream_test_end_with(&t, &s);
}

static void a_size_that_is_declared_too_large_is_not_even_asked_for(void **state)
{
	struct upstream_recipient recipient = { .address = SPAN("one@example.net") };
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com"), .size = 31 };
	struct sending s = { 0 };
	(void)state;
	begin_pool(FEATURES("250-SIZE 30\r\n"));
	assert_int_equal(upstream_begin(t.pool, &envelope, &recipient, 1, LIMIT_MS, &note_all, &s, &s.upstream),
			 STATUS_OK);
	run_until(t.loop, is_done, &s);
	assert_int_equal(s.class, UPSTREAM_UNABLE);
	assert_int_equal(fake_relay_heard(&t.relay, "MAIL"), 0);
	upstream_test_end_with(&t, &s);
}

/* ---- 8BITMIME */

static void send_body(const char *body, struct sending *s)
{
	open_sending(&t, s);
	send_text(&t, s, body);
	run_until(t.loop, is_held, s);
	if (!s->done)
		upstream_release(s->upstream, LIMIT_MS);
	run_until(t.loop, is_done, s);
}

/* Known by its bytes, in body or header: what BODY said decides nothing. */
static void eight_bit_content_goes_where_it_is_taken(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.relay.features = "250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n";
	upstream_test_open(&t);
	static const char *const bodies[] = { "Subject: x\r\n\r\nb\xC3\xB6se\r\n", "Subject: b\xF6se\r\n\r\n" };
	for (size_t i = 0; i < 2; i++) {
		send_body(bodies[i], &s);
		assert_int_equal(s.class, UPSTREAM_UNABLE);
		assert_string_equal(
			s.last_reply,
			"554 5.6.3 The message has 8-bit content, and the relay for it does not offer 8BITMIME");
		assert_false(s.dot_released);
		spool_message_free(&s.message);
	}
	assert_int_equal(fake_relay_heard(&t.relay, "DATA") + fake_relay_heard(&t.relay, "BDAT"), 0);
	assert_int_equal(buf_size(&t.relay.body), 0);
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com"), .eight_bit = true };
	begin_envelope(&t, &s, &envelope, (const char *const[]){ "one@example.net" }, 1);
	run_until(t.loop, is_answered, &s);
	send_text(&t, &s, BODY);
	run_until(t.loop, is_held, &s);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s); /* it said BODY=8BITMIME, and has no such byte */
	assert_int_equal(t.relay.connected, 1);
	upstream_test_end_with(&t, &s);
}

/* ---- LIMITS */

static void send_to(const char *const *recipients, size_t count, struct sending *s)
{
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com") };
	begin_envelope(&t, s, &envelope, recipients, count);
	run_until(t.loop, is_answered, s);
}

static void assert_replies(const struct sending *s, const char *codes)
{
	assert_int_equal(s->reply_count, strlen(codes));
	for (size_t i = 0; i < s->reply_count; i++)
		assert_int_equal(s->reply[i][0], codes[i]);
}

static void recipients_beyond_rcptmax_are_for_another_message(void **state)
{
	static const char *const recipients[] = { "a@x.example", "b@x.example", "c@x.example", "d@x.example" };
	struct sending s;
	(void)state;
	begin_pool(FEATURES("250-LIMITS RCPTMAX=2\r\n"));
	send_to(recipients, 4, &s);
	assert_replies(&s, "2244");
	assert_string_equal(s.reply[3], "452 4.5.3 Too many recipients");
	assert_int_equal(fake_relay_heard(&t.relay, "RCPT"), 2);
	s.replies = 0;
	struct upstream_recipient more = { .address = SPAN("e@x.example") };
	assert_int_equal(upstream_add_recipients(s.upstream, &more, 1), STATUS_OK);
	run_until(t.loop, is_answered, &s);
	assert_replies(&s, "22444");
	send_text(&t, &s, BODY);
	run_until(t.loop, is_held, &s);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s);
	spool_message_free(&s.message);
	send_to(recipients + 2, 2, &s); /* the next message has room again */
	assert_replies(&s, "22");
	upstream_test_end_with(&t, &s);
}

static void a_connection_ends_after_mailmax_messages(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(FEATURES("250-LIMITS MAILMAX=2\r\n"));
	for (unsigned i = 0; i < 4; i++) {
		send_whole(&t, &s);
		assert_accepted(&s);
	}
	assert_int_equal(t.relay.connected, 2);
	upstream_test_end_with(&t, &s);
}

/* ---- CHUNKING */

static void a_small_message_goes_in_one_chunk(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(FEATURES("250-CHUNKING\r\n"));
	hold_sending(&t, &s);
	run_for(t.loop, 20);
	assert_int_equal(fake_relay_heard(&t.relay, "BDAT") + fake_relay_heard(&t.relay, "DATA"), 0);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.chunks, 1);
	/* BODY without its stuffed dot. */
	assert_true(span_equal(buf_span(&t.relay.body), SPAN("Subject: hello\r\n\r\n.dots\r\nbye\r\n")));
	spool_message_free(&s.message);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.connected, 1);
	upstream_test_end_with(&t, &s);
}

/* A late reply to MAIL or RCPT is no verdict; an upstream that gives them no codes of their own is asked by DATA. */
static void a_chunk_goes_where_replies_are_told_apart(void **state)
{
	static const struct {
		const char *command, *reply;
		bool is_chunk;
		enum upstream_class class;
	} cases[] = {
		{ "MAIL", "250 OK\r\n", false, UPSTREAM_ACCEPTED },
		{ "MAIL", "250 2.0.0 OK\r\n", false, UPSTREAM_ACCEPTED },
		{ "RCPT", "250 OK\r\n", false, UPSTREAM_ACCEPTED },
		{ "RCPT", "250 2.1.0 OK\r\n", false, UPSTREAM_ACCEPTED },
		{ "RCPT TO:<two@", "550 5.1.1 nobody\r\n", false, UPSTREAM_ACCEPTED },
		{ "CHUNK", "250 2.1.5 OK\r\n", true, UPSTREAM_UNKNOWN },
		{ "CHUNK", "250 2.1.0 OK\r\n", true, UPSTREAM_UNKNOWN },
		{ "CHUNK", "250 OK\r\n", true, UPSTREAM_ACCEPTED },
		{ "CHUNK", "250 2.6.0 OK\r\n", true, UPSTREAM_ACCEPTED },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		begin_pool(FEATURES("250-CHUNKING\r\n"));
		fake_relay_rule(&t.relay, cases[i].command, cases[i].reply, 0);
		send_whole(&t, &s);
		assert_int_equal(s.class, cases[i].class);
		assert_int_equal(t.relay.chunks, cases[i].is_chunk);
		upstream_test_end_with(&t, &s);
	}
}

static void a_larger_message_goes_by_data(void **state)
{
	struct sending s;
	char *text = calloc(1, SPOOL_MEMORY + 100);
	(void)state;
	begin_pool(FEATURES("250-CHUNKING\r\n"));
	for (size_t i = 0; i < SPOOL_MEMORY + 40; i += 40)
		memcpy(text + i, "......................................\r\n", 40);
	open_sending(&t, &s);
	send_text(&t, &s, text);
	run_until(t.loop, is_held, &s);
	upstream_release(s.upstream, LIMIT_MS);
	run_until(t.loop, is_done, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.dots, 1);
	assert_int_equal(t.relay.chunks, 0);
	free(text);
	upstream_test_end_with(&t, &s);
}

static void a_relay_silent_for_long_is_asked_first(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(FEATURES("250-CHUNKING\r\n"));
	open_sending(&t, &s);
	run_for(t.loop, 2050);
	send_text(&t, &s, BODY);
	run_until(t.loop, is_held, &s);
	assert_int_equal(fake_relay_heard(&t.relay, "DATA"), 1);
	upstream_test_end_with(&t, &s);
}

static void each_answer_to_a_chunk_leads_to_its_outcome(void **state)
{
	static const struct {
		const char *reply;
		enum upstream_class class;
	} cases[] = {
		{ "554 5.7.1 spam\r\n", UPSTREAM_MESSAGE },
		{ "552 5.3.4 too large\r\n", UPSTREAM_MESSAGE },
		{ "503 5.5.1 RCPT first\r\n", UPSTREAM_RECIPIENTS },
		{ "451 4.3.0 later\r\n", UPSTREAM_TRANSPORT },
		{ "421 4.3.2 bye\r\n" HANG_UP, UPSTREAM_TRANSPORT },
		{ "550 5.4.5 Daily user sending limit exceeded\r\n", UPSTREAM_ACCOUNT },
		{ "354 go\r\n", UPSTREAM_UNKNOWN },
		{ HANG_UP, UPSTREAM_UNKNOWN },
		{ "no SMTP\r\n", UPSTREAM_UNKNOWN },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sending s;
		print_message("  %s", cases[i].reply);
		begin_pool(FEATURES("250-CHUNKING\r\n"));
		fake_relay_rule(&t.relay, "CHUNK", cases[i].reply, 1);
		send_whole(&t, &s);
		assert_int_equal(s.class, cases[i].class);
		assert_true(s.dot_released);
		run_for(t.loop, 10);
		assert_int_equal(upstream_pool_size(t.pool), 0); /* it may not know where the octets end */
		upstream_test_end_with(&t, &s);
	}
}

static void a_relay_that_does_not_know_bdat_gets_data_from_then_on(void **state)
{
	struct sending s;
	(void)state;
	begin_pool(FEATURES("250-CHUNKING\r\n"));
	fake_relay_rule(&t.relay, "CHUNK", "502 5.5.1 what?\r\n", 1);
	send_whole(&t, &s);
	assert_int_equal(s.class, UPSTREAM_TRANSPORT);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.dots, 1);
	upstream_test_end_with(&t, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_no_sense_is_not_offered),
		cmocka_unit_test(the_first_line_offers_nothing),
		cmocka_unit_test(a_message_larger_than_size_goes_elsewhere),
		cmocka_unit_test(a_size_that_is_declared_too_large_is_not_even_asked_for),
		cmocka_unit_test(eight_bit_content_goes_where_it_is_taken),
		cmocka_unit_test(recipients_beyond_rcptmax_are_for_another_message),
		cmocka_unit_test(a_connection_ends_after_mailmax_messages),
		cmocka_unit_test(a_small_message_goes_in_one_chunk),
		cmocka_unit_test(a_chunk_goes_where_replies_are_told_apart),
		cmocka_unit_test(a_larger_message_goes_by_data),
		cmocka_unit_test(a_relay_silent_for_long_is_asked_first),
		cmocka_unit_test(each_answer_to_a_chunk_leads_to_its_outcome),
		cmocka_unit_test(a_relay_that_does_not_know_bdat_gets_data_from_then_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
