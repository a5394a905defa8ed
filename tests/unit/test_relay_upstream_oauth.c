/* Logging in with a token: how it is sent, why it is refused, and the one new token before we back off. */
#include "with_upstream.h"

#include "base/base64.h"

static struct upstream_test t;

#define HELLO "EHLO us.example.com\n"
/* user=us@example.com ^A auth=Bearer open sesame ^A^A */
#define XOAUTH2 "dXNlcj11c0BleGFtcGxlLmNvbQFhdXRoPUJlYXJlciBvcGVuIHNlc2FtZQEB"
#define XOAUTH2_NEW "dXNlcj11c0BleGFtcGxlLmNvbQFhdXRoPUJlYXJlciBzaHV0IHNlc2FtZQEB"
#define REASON "334 eyJzdGF0dXMiOiI0MDAiLCJzY29wZSI6Imh0dHBzOi8vbWFpbC5nb29nbGUuY29tLyJ9\r\n"

static void begin_pool(const char *mechanism)
{
	upstream_test_begin(&t);
	t.mechanism = mechanism;
	t.serial = 7;
	t.relay.features = "250-PIPELINING\r\n250 AUTH LOGIN XOAUTH2 OAUTHBEARER\r\n";
}

static void assert_record_begins(const char *text)
{
	struct span record = buf_span(&t.relay.record);
	if (!span_starts_with(record, span_of(text)))
		fail_msg("expected \"%s\" in front of \"%.*s\"", text, SPAN_ARGS(record));
}

static void assert_fails(struct sending *s, const char *reason)
{
	open_sending(&t, s);
	assert_int_equal(s->done, 1);
	assert_int_equal(s->class, strstr(reason, "login") || t.refused_serial ? UPSTREAM_LOGIN : UPSTREAM_TRANSPORT);
	assert_string_equal(s->last_reply, "");
	if (strstr(s->reason, reason) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", reason, s->reason);
}

static void a_short_token_goes_with_its_command(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "AUTH XOAUTH2 " XOAUTH2 "\nMAIL");
	assert_int_equal(stats_sum(t.stats, 1, COUNTER_RELAY_LOGINS, 8 + STATS_RESULT_OK), 1);
	upstream_test_end_with(&t, &s);
}

static void a_long_token_goes_in_two_steps(void **state)
{
	static char token[3001];
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	memset(token, 'x', 3000);
	t.secret = token;
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH XOAUTH2", "334 \r\n", 1);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "AUTH XOAUTH2\ndXNlcj11c0BleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB4eHh4");
	upstream_test_end_with(&t, &s);
}

static void a_token_longer_than_a_line_is_not_sent(void **state)
{
	static char token[9300];
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	memset(token, 'x', sizeof(token) - 1);
	t.secret = token;
	upstream_test_open(&t);
	assert_fails(&s, "longer than a line of AUTH may be");
	assert_int_equal(fake_relay_heard(&t.relay, "AUTH"), 0);
	upstream_test_end_with(&t, &s);
}

static void bearer_names_user_and_host(void **state)
{
	struct sending s;
	struct buf response BUF_AUTO;
	struct buf expected BUF_AUTO;
	struct buf line BUF_AUTO;
	(void)state;
	begin_pool("oauthbearer");
	t.user = "o=us,a@example.com";
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	buf_init(&response, 1000);
	buf_init(&expected, 1000);
	buf_init(&line, 1000);
	assert_int_equal(buf_printf(&response,
				    "n,a=o=3Dus=2Ca@example.com,\001host=127.0.0.1\001port=%u\001auth=Bearer open "
				    "sesame\001\001",
				    t.relay.port),
			 STATUS_OK);
	assert_int_equal(base64_encode(buf_span(&response), &expected), STATUS_OK);
	assert_int_equal(buf_printf(&line, HELLO "AUTH OAUTHBEARER %.*s\nMAIL%c", SPAN_ARGS(buf_span(&expected)), 0),
			 STATUS_OK);
	assert_record_begins(buf_span(&line).data);
	upstream_test_end_with(&t, &s);
}

static void the_mechanism_that_is_offered_stands_in(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("oauthbearer");
	t.relay.features = "250 AUTH XOAUTH2 PLAIN\r\n";
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "AUTH XOAUTH2 " XOAUTH2 "\nMAIL");
	upstream_test_end_with(&t, &s);

	begin_pool("xoauth2");
	t.relay.features = "250 AUTH OAUTHBEARER PLAIN\r\n";
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_int_equal(fake_relay_heard(&t.relay, "AUTH OAUTHBEARER "), 1);
	upstream_test_end_with(&t, &s);
}

static void a_token_is_no_password(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	t.relay.features = "250 AUTH PLAIN LOGIN\r\n";
	upstream_test_open(&t);
	assert_fails(&s, "neither AUTH XOAUTH2 nor AUTH OAUTHBEARER is offered");
	assert_int_equal(fake_relay_heard(&t.relay, "AUTH"), 0);
	upstream_test_end_with(&t, &s);
}

static void a_refused_token_is_replaced_once(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	t.new_secret = "shut sesame";
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH XOAUTH2", REASON, 1);
	fake_relay_rule(&t.relay, "AUTH-STEP", "535 5.7.8 not accepted\r\n", 1);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "AUTH XOAUTH2 " XOAUTH2 "\n\nAUTH XOAUTH2 " XOAUTH2_NEW "\nMAIL");
	assert_int_equal(t.refused_serial, 7);
	assert_int_equal(t.asked, 2);
	assert_int_equal(t.relay.connected, 1);
	upstream_test_end_with(&t, &s);
}

static void bearer_answers_a_reason_with_its_own_byte(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("oauthbearer");
	t.new_secret = "shut sesame";
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH OAUTHBEARER", REASON, 1);
	fake_relay_rule(&t.relay, "AUTH-STEP", "535 5.7.8 not accepted\r\n", 1);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(fake_relay_heard(&t.relay, "AQ=="), 1);
	upstream_test_end_with(&t, &s);
}

static void a_second_refusal_backs_off_from_the_account(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	t.new_secret = "shut sesame";
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH XOAUTH2", "535 5.7.3 Authentication unsuccessful\r\n", 0);
	assert_fails(&s, "login refused: 535 5.7.3 Authentication unsuccessful");
	assert_int_equal(t.asked, 2);
	assert_fails(&s, "account resting after login failure");
	assert_int_equal(t.asked, 2);
	assert_int_equal(fake_relay_heard(&t.relay, "AUTH"), 2);
	upstream_test_end_with(&t, &s);
}

static void without_another_token_it_backs_off_from_the_account(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH XOAUTH2", REASON, 0);
	fake_relay_rule(&t.relay, "AUTH-STEP", "535 5.7.8 not accepted\r\n", 0);
	assert_fails(&s, "no credentials: the vault is shut");
	assert_fails(&s, "account resting after login failure");
	assert_int_equal(t.refused_serial, 7);
	upstream_test_end_with(&t, &s);
}

static void a_refusal_for_now_keeps_the_token(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH XOAUTH2", "454 4.7.0 Too many login attempts\r\n", 0);
	assert_fails(&s, "login refused: 454 4.7.0 Too many login attempts");
	assert_int_equal(t.refused_serial, 0);
	assert_int_equal(t.asked, 1);
	upstream_test_end_with(&t, &s);
}

static void reasons_without_end_end(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH XOAUTH2", REASON, 0);
	fake_relay_rule(&t.relay, "AUTH-STEP", "334 not base64\r\n", 0);
	assert_fails(&s, "it asks for more than was agreed");
	upstream_test_end_with(&t, &s);
}

static void a_reply_that_quotes_the_token_is_not_shown(void **state)
{
	struct sending s;
	(void)state;
	begin_pool("xoauth2");
	t.new_secret = "open sesame";
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH XOAUTH2", "535 5.7.8 wrong: " XOAUTH2 "\r\n", 0);
	assert_fails(&s, "(its text quotes our password and is left out)");
	upstream_test_end_with(&t, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_token_goes_with_its_command),
		cmocka_unit_test(a_long_token_goes_in_two_steps),
		cmocka_unit_test(a_token_longer_than_a_line_is_not_sent),
		cmocka_unit_test(bearer_names_user_and_host),
		cmocka_unit_test(the_mechanism_that_is_offered_stands_in),
		cmocka_unit_test(a_token_is_no_password),
		cmocka_unit_test(a_refused_token_is_replaced_once),
		cmocka_unit_test(bearer_answers_a_reason_with_its_own_byte),
		cmocka_unit_test(a_second_refusal_backs_off_from_the_account),
		cmocka_unit_test(without_another_token_it_backs_off_from_the_account),
		cmocka_unit_test(a_refusal_for_now_keeps_the_token),
		cmocka_unit_test(reasons_without_end_end),
		cmocka_unit_test(a_reply_that_quotes_the_token_is_not_shown),
	};
	return cmocka_run_group_tests_name("relay: upstream login with a token", tests, NULL, NULL);
}
