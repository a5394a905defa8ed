/* From the connect to being logged in: what is verified first, what is said, and what happens after a refusal. */
#include "with_upstream.h"

#include "with_certificate.h"

static struct upstream_test t;
static struct certificate certificate;

#define HELLO "EHLO us.example.com\n"
#define BLOB "AHVzQGV4YW1wbGUuY29tAG9wZW4gc2VzYW1l" /* NUL us@example.com NUL open sesame */
#define USER "dXNAZXhhbXBsZS5jb20="
#define SECRET "b3BlbiBzZXNhbWU="

static void assert_record_begins(const char *text)
{
	struct span record = buf_span(&t.relay.record);
	if (!span_starts_with(record, span_of(text)))
		fail_msg("expected \"%s\" in front of \"%.*s\"", text, SPAN_ARGS(record));
}

/* No form of the password was sent in the clear or to anyone. */
static void assert_no_secret_was_sent(void)
{
	char record[8192];
	snprintf(record, sizeof(record), "%.*s", SPAN_ARGS(buf_span(&t.relay.record)));
	assert_null(strstr(record, "AUTH"));
	assert_null(strstr(record, SECRET));
	assert_null(strstr(record, BLOB));
}

static void end(struct sending *s)
{
	upstream_abort(&s->upstream);
	spool_message_free(&s->message);
	upstream_test_end(&t);
}

static void begin_tls(enum config_relay_tls tls, const char *names)
{
	char *error = NULL;
	upstream_test_begin(&t);
	certificate_make(&certificate, names);
	struct tls_server_options options = { .certificate_pem = certificate.certificate,
					      .private_key = &certificate.key };
	assert_int_equal(tls_server_create(&options, &t.relay.tls, &error), STATUS_OK);
	t.config.tls = tls;
	t.options.ca_pem = certificate.certificate;
	t.relay.is_implicit = tls == RELAY_TLS_IMPLICIT;
	if (tls == RELAY_TLS_STARTTLS)
		t.relay.features = "250-PIPELINING\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n";
}

static void end_tls(struct sending *s)
{
	end(s);
	certificate_free(&certificate);
}

static void assert_fails_as(enum upstream_class class, struct sending *s, const char *reason)
{
	open_sending(&t, s);
	assert_int_equal(s->done, 1);
	assert_int_equal(s->class, class);
	assert_string_equal(s->last_reply, ""); /* the client never hears our login's replies */
	if (strstr(s->reason, reason) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", reason, s->reason);
}

static void assert_fails(struct sending *s, const char *reason)
{
	assert_fails_as(UPSTREAM_TRANSPORT, s, reason);
}

/* Our authentication: not the relay's fault, nor the client's. */
static void assert_no_login(struct sending *s, const char *reason)
{
	assert_fails_as(UPSTREAM_LOGIN, s, reason);
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
	assert_record_begins(HELLO "AUTH PLAIN " BLOB "\n");
	assert_int_equal(stats_sum(t.stats, 1, COUNTER_RELAY_LOGINS, 8 + STATS_RESULT_OK), 1);
	end(&s);
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
	end(&s);
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
	end(&s);
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
	end(&s);
}

static void without_either_mechanism_nothing_is_sent(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.relay.features = "250 AUTH GSSAPI\r\n";
	upstream_test_open(&t);
	assert_fails(&s, "neither AUTH PLAIN nor AUTH LOGIN is offered");
	assert_no_secret_was_sent();
	end(&s);
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
	end(&s);
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
	end(&next);
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
	end(&s);
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
	end(&s);
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
	static const char *const replies[] = { "500 5.5.2 unknown: AUTH PLAIN " BLOB "\r\n",
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
		assert_null(strstr(s.reason, BLOB));
		assert_null(strstr(s.reason, SECRET));
		end(&s);
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
	assert_no_secret_was_sent();
	end(&s);
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
	end(&s);
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
	assert_no_secret_was_sent();
	end(&s);
}

/* ---- TLS */

static void tls_from_the_first_byte(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_IMPLICIT, "IP:127.0.0.1");
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	end_tls(&s);
}

static void starttls_then_ehlo_again_then_the_password(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_STARTTLS, "IP:127.0.0.1");
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_record_begins(HELLO "STARTTLS\n" HELLO "AUTH PLAIN " BLOB "\n");
	end_tls(&s);
}

static void the_name_in_the_certificate_is_the_one_configured(void **state)
{
	static char name[] = "smtp.example.com";
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_IMPLICIT, "DNS:smtp.example.com");
	t.config.tls_name = name;
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	end_tls(&s);
}

static void a_wrong_name_gets_no_password(void **state)
{
	static const enum config_relay_tls kinds[] = { RELAY_TLS_IMPLICIT, RELAY_TLS_STARTTLS };
	struct sending s;
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin_tls(kinds[i], "DNS:other.example.com");
		upstream_test_open(&t);
		assert_fails(&s, "certificate verify failed");
		assert_no_secret_was_sent();
		assert_int_equal(t.asked, 0);
		end_tls(&s);
	}
}

static void an_unknown_issuer_gets_no_password(void **state)
{
	struct certificate other;
	struct sending s;
	(void)state;
	certificate_make(&other, "IP:127.0.0.1");
	begin_tls(RELAY_TLS_STARTTLS, "IP:127.0.0.1");
	t.options.ca_pem = other.certificate;
	upstream_test_open(&t);
	assert_fails(&s, "certificate verify failed");
	assert_no_secret_was_sent();
	end_tls(&s);
	certificate_free(&other);
}

static void an_unverified_certificate_gets_mail_but_no_password(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_IMPLICIT, "DNS:other.example.com");
	t.config.tls_verify = false;
	upstream_test_open(&t);
	assert_fails(&s, "no password goes to a relay whose certificate is not verified");
	assert_no_secret_was_sent();
	assert_int_equal(t.asked, 0);
	end_tls(&s);

	begin_tls(RELAY_TLS_IMPLICIT, "DNS:other.example.com");
	t.config.tls_verify = false;
	t.config.auth = RELAY_AUTH_NONE;
	upstream_test_open(&t);
	send_whole(&t, &s);
	assert_accepted(&s);
	end_tls(&s);
}

static void a_stripped_starttls_ends_it(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_STARTTLS, "IP:127.0.0.1");
	t.relay.features = "250-PIPELINING\r\n250 AUTH PLAIN\r\n";
	upstream_test_open(&t);
	assert_fails(&s, "STARTTLS is not offered");
	assert_no_secret_was_sent();
	end_tls(&s);
}

static void a_refused_starttls_ends_it(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_STARTTLS, "IP:127.0.0.1");
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "STARTTLS", "454 4.7.0 not now\r\n", 0);
	assert_fails(&s, "STARTTLS refused: 454 4.7.0 not now");
	assert_no_secret_was_sent();
	end_tls(&s);
}

static void bytes_behind_starttls_end_it(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_STARTTLS, "IP:127.0.0.1");
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "STARTTLS", "220 go\r\n250 AUTH PLAIN\r\n", 0);
	assert_fails(&s, "bytes behind the reply to STARTTLS");
	assert_no_secret_was_sent();
	end_tls(&s);
}

static void what_was_offered_before_tls_does_not_count(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_STARTTLS, "IP:127.0.0.1");
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "EHLO", "250-fake\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", 1);
	fake_relay_rule(&t.relay, "EHLO", "250-fake\r\n250 AUTH PLAIN\r\n", 0);
	send_whole(&t, &s);
	assert_accepted(&s);
	assert_int_equal(t.relay.most_at_once, 1);
	end_tls(&s);
}

/* ---- relays that can't be used */

static void a_greeting_that_is_none_is_told(void **state)
{
	static const struct {
		const char *greeting, *reason;
	} cases[] = {
		{ "554 5.7.1 go away\r\n" HANG_UP, "greeting: 554 5.7.1 go away" },
		{ "SSH-2.0-OpenSSH\r\n", "no SMTP reply" },
		{ HANG_UP, "closed by the relay" },
		{ "", "no reply in time" },
	};
	struct sending s;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		upstream_test_begin(&t);
		t.config.connect_timeout = 200;
		upstream_test_open(&t);
		fake_relay_rule(&t.relay, "GREETING", cases[i].greeting, 0);
		assert_fails(&s, cases[i].reason);
		end(&s);
	}
}

static void a_relay_without_ehlo_is_told(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "EHLO", "502 5.5.1 what\r\n", 0);
	assert_fails(&s, "EHLO refused: 502 5.5.1 what");
	assert_no_secret_was_sent();
	end(&s);
}

static void a_relay_that_is_not_there_is_told_and_comes_back_by_itself(void **state)
{
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	upstream_test_open(&t);
	listener_free(&t.relay.listener);
	assert_fails(&s, "127.0.0.1: Connection refused");
	assert_fails(&s, "resting after connect failure: 127.0.0.1: Connection refused");
	fake_relay_listen(&t.relay, t.relay.port);
	run_for(t.loop, 1100);
	send_whole(&t, &s);
	assert_accepted(&s);
	end(&s);
}

static void a_name_that_does_not_resolve_is_told(void **state)
{
	static char nowhere[] = "no such name";
	struct sending s;
	(void)state;
	upstream_test_begin(&t);
	t.config.host = nowhere;
	t.config.connect_timeout = 500;
	upstream_test_open(&t);
	assert_fails(&s, "no such name");
	end(&s);
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
		cmocka_unit_test(tls_from_the_first_byte),
		cmocka_unit_test(starttls_then_ehlo_again_then_the_password),
		cmocka_unit_test(the_name_in_the_certificate_is_the_one_configured),
		cmocka_unit_test(a_wrong_name_gets_no_password),
		cmocka_unit_test(an_unknown_issuer_gets_no_password),
		cmocka_unit_test(an_unverified_certificate_gets_mail_but_no_password),
		cmocka_unit_test(a_stripped_starttls_ends_it),
		cmocka_unit_test(a_refused_starttls_ends_it),
		cmocka_unit_test(bytes_behind_starttls_end_it),
		cmocka_unit_test(what_was_offered_before_tls_does_not_count),
		cmocka_unit_test(a_greeting_that_is_none_is_told),
		cmocka_unit_test(a_relay_without_ehlo_is_told),
		cmocka_unit_test(a_relay_that_is_not_there_is_told_and_comes_back_by_itself),
		cmocka_unit_test(a_name_that_does_not_resolve_is_told),
	};
	return cmocka_run_group_tests_name("relay: upstream login", tests, NULL, NULL);
}
