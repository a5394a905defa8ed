/* AUTH: how we log in, what a refusal leads to, and what happens without credentials. */
#include "with_upstream.h"

static struct upstream_test t;

#define HELLO "EHLO us.example.com\n"
#define USER "dXNAZXhhbXBsZS5jb20="

static void assert_record_begins(const char *text)
{
	struct span record = buf_span(&t.relay.record);
	if (!span_starts_with(record, span_of(text)))
		fail_msg("expected \"%s\" in front of \"%.*s\"", text, SPAN_ARGS(record));
}

static void assert_fails(struct sending *s, const char *reason)
{
	open_in_vain(&t, s, UPSTREAM_TRANSPORT, reason);
}

/* For our login: neither the upstream's fault nor the client's. */
static void assert_no_login(struct sending *s, const char *reason)
{
	open_in_vain(&t, s, UPSTREAM_LOGIN, reason);
}

/* ---- AUTH */

static void plain_goes_with_its_command(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "AUTH PLAIN " PLAIN_BLOB "\n");
	assert_int_equal(stats_sum(t.stats, 1, COUNTER_RELAY_LOGINS, 8 + STATS_RESULT_OK), 1);
	upstream_test_end_with(&t, &s);
}

static void a_long_plain_goes_in_two_steps(void **state)
{
	static char secret[2001];
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	memset(secret, 'x', 2000);
	t.secret = secret;
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH PLAIN", "334 \r\n", 1);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "AUTH PLAIN\nAHVzQGV4YW1wbGUuY29tAHh4eHh4");
	upstream_test_end_with(&t, &s);
}

static void login_goes_step_by_step(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.mechanism = "login";
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH LOGIN", "334 VXNlcm5hbWU6\r\n", 0);
	fake_relay_rule(&t.relay, "AUTH-STEP", "334 UGFzc3dvcmQ6\r\n", 1);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "AUTH LOGIN\n" USER "\n" SECRET "\nMAIL");
	upstream_test_end_with(&t, &s);
}

static void login_stands_in_for_plain_where_that_is_not_offered(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.relay.features = "250 AUTH=LOGIN\r\n";
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH LOGIN", "334 VXNlcm5hbWU6\r\n", 0);
	fake_relay_rule(&t.relay, "AUTH-STEP", "334 UGFzc3dvcmQ6\r\n", 1);
	send_whole(&t, &s);
	assert_accepted(&s);
	upstream_test_end_with(&t, &s);
}

static void without_either_mechanism_nothing_is_sent(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.relay.features = "250 AUTH GSSAPI\r\n";
	upstream_test_open(&t);
	assert_fails(&s, "neither AUTH PLAIN nor AUTH LOGIN is offered");
	assert_no_secret_was_sent(&t);
	upstream_test_end_with(&t, &s);
}

static void without_auth_nobody_is_asked_for_a_password(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.config.auth = RELAY_AUTH_NONE;
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(t.asked, 0);
	assert_record_begins(HELLO "MAIL");
	upstream_test_end_with(&t, &s);
}

static void a_refused_login_backs_off_from_the_account(void **state)
{
	struct sending s, next;
	struct upstream_pool_state shown;
	(void)state;
	upstream_test_begin(&t);
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH", "535 5.7.8 Username and Password not accepted\r\n", 0);
	assert_no_login(&s, "login refused: 535 5.7.8 Username and Password not accepted");
	for (unsigned i = 0; i < 5; i++)
		assert_no_login(&next, "account resting after login failure");
	run_for(t.loop, 1200); /* longer than the back-off after a failed connect */
	assert_no_login(&next, "account resting after login failure");
	assert_int_equal(fake_relay_heard(&t.relay, "AUTH"), 1);
	assert_int_equal(t.relay.connected, 1);
	assert_int_equal(stats_sum(t.stats, 1, COUNTER_RELAY_LOGINS, 8 + STATS_RESULT_REFUSED), 1);
	upstream_pool_show(t.pool, &shown);
	assert_non_null(strstr(shown.last_error, "535 5.7.8"));
	upstream_test_end_with(&t, &next);
}

static void a_farewell_instead_of_a_verdict_is_not_about_the_account(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH", "421 4.3.2 Going down\r\n" HANG_UP, 1);
	assert_fails(&s, "login: 421 4.3.2 Going down");
	run_for(t.loop, 1100);
	send_whole(&t, &s);
	assert_accepted(&s);
	upstream_test_end_with(&t, &s);
}

static void a_reply_to_something_else_is_not_about_the_account(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH", "250 2.0.0 fine\r\n235 2.7.0 welcome\r\n", 1);
	assert_fails(&s, "login: 250 2.0.0 fine");
	run_for(t.loop, 1100);
	send_whole(&t, &s);
	assert_accepted(&s);
	upstream_test_end_with(&t, &s);
}

static void many_attempts_at_a_wrong_password_make_one_login(void **state)
{
	struct sending s[8];
	(void)state;
	upstream_test_begin(&t);
	t.config.connections = 8;
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "AUTH", "454 4.7.0 Too many login attempts\r\n", 0);
	for (unsigned i = 0; i < 8; i++)
		begin_sending(&t, &s[i]);
	for (unsigned i = 0; i < 8; i++) {
		run_until(t.loop, is_done, &s[i]);
		assert_int_equal(s[i].class, UPSTREAM_LOGIN);
	}
	assert_int_equal(fake_relay_heard(&t.relay, "AUTH"), 1);
	upstream_test_end(&t);
}

static void a_reply_that_quotes_the_password_is_not_shown(void **state)
{
	static const char *const replies[] = { "500 5.5.2 unknown: AUTH PLAIN " PLAIN_BLOB "\r\n",
					       "535 5.7.8 wrong: open sesame\r\n",
					       "535 5.7.8 wrong: " SECRET "\r\n",
					       "535-5.7.8 wrong: open\r\n535 5.7.8 sesame\r\n",
					       "535 5.7.8 wrong: open\tsesame\r\n",
					       "535 5.7.8 wrong: open\x1csesame\r\n" };
	struct sending s;
	struct upstream_pool_state shown;
	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		upstream_test_begin(&t);
		upstream_test_open(&t);
		fake_relay_rule(&t.relay, "AUTH", replies[i], 0);
		assert_no_login(&s, "quotes our password and is left out");
		upstream_pool_show(t.pool, &shown);
		assert_null(strstr(shown.last_error, "sesame"));
		assert_null(strstr(s.reason, "sesame"));
		assert_null(strstr(s.reason, PLAIN_BLOB));
		assert_null(strstr(s.reason, SECRET));
		upstream_test_end_with(&t, &s);
	}
}

static void credentials_that_are_not_there_are_told(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.is_unavailable = true;
	upstream_test_open(&t);
	assert_fails(&s, "no credentials: the vault is shut");
	assert_no_secret_was_sent(&t);
	upstream_test_end_with(&t, &s);
}

static bool is_asked(void *context)
{
	const struct upstream_test *test = context;
	return test->asked > 0;
}

static void credentials_may_come_later(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.is_mute = true;
	upstream_test_open(&t);
	begin_sending(&t, &s);
	run_until(t.loop, is_asked, &t);
	run_for(t.loop, 20);
	give_credential(&t, t.ticket + 1); /* of nobody */
	assert_int_equal(fake_relay_heard(&t.relay, "AUTH"), 0);
	give_credential(&t, t.ticket);
	run_until(t.loop, is_answered, &s);
	assert_int_equal(s.done, 0);
	upstream_test_end_with(&t, &s);
}

static void credentials_that_never_come_end_in_time(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.is_mute = true;
	t.config.connect_timeout = 100;
	upstream_test_open(&t);
	assert_fails(&s, "no credentials in time");
	give_credential(&t, t.ticket); /* too late: dropped */
	run_for(t.loop, 20);
	assert_no_secret_was_sent(&t);
	upstream_test_end_with(&t, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_goes_with_its_command),
		cmocka_unit_test(a_long_plain_goes_in_two_steps),
		cmocka_unit_test(login_goes_step_by_step),
		cmocka_unit_test(login_stands_in_for_plain_where_that_is_not_offered),
		cmocka_unit_test(without_either_mechanism_nothing_is_sent),
		cmocka_unit_test(without_auth_nobody_is_asked_for_a_password),
		cmocka_unit_test(a_refused_login_backs_off_from_the_account),
		cmocka_unit_test(a_farewell_instead_of_a_verdict_is_not_about_the_account),
		cmocka_unit_test(a_reply_to_something_else_is_not_about_the_account),
		cmocka_unit_test(many_attempts_at_a_wrong_password_make_one_login),
		cmocka_unit_test(a_reply_that_quotes_the_password_is_not_shown),
		cmocka_unit_test(credentials_that_are_not_there_are_told),
		cmocka_unit_test(credentials_may_come_later),
		cmocka_unit_test(credentials_that_never_come_end_in_time),
	};
	return cmocka_run_group_tests_name("relay: upstream login", tests, NULL, NULL);
}
