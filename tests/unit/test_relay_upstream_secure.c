/* From the connect to the login, by TLS: what is verified first, and upstreams that can't be used. */
#include "with_upstream.h"

#include "with_certificate.h"

static struct upstream_test t;
static struct certificate certificate;

#define HELLO "EHLO us.example.com\n"

static void assert_record_begins(const char *text)
{
	struct span record = buf_span(&t.relay.record);
	if (!span_starts_with(record, span_of(text)))
		fail_msg("expected \"%s\" in front of \"%.*s\"", text, SPAN_ARGS(record));
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
	upstream_test_end_with(&t, s);
	certificate_free(&certificate);
}

static void assert_fails(struct sending *s, const char *reason)
{
	open_in_vain(&t, s, UPSTREAM_TRANSPORT, reason);
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
	assert_record_begins(HELLO "STARTTLS\n" HELLO "AUTH PLAIN " PLAIN_BLOB "\n");
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
		assert_no_secret_was_sent(&t);
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
	assert_no_secret_was_sent(&t);
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
	assert_no_secret_was_sent(&t);
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
	assert_no_secret_was_sent(&t);
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
	assert_no_secret_was_sent(&t);
	end_tls(&s);
}

static void bytes_after_starttls_end_it(void **state)
{
	struct sending s;
	(void)state;
	begin_tls(RELAY_TLS_STARTTLS, "IP:127.0.0.1");
	upstream_test_open(&t);
	fake_relay_rule(&t.relay, "STARTTLS", "220 go\r\n250 AUTH PLAIN\r\n", 0);
	assert_fails(&s, "bytes after the reply to STARTTLS");
	assert_no_secret_was_sent(&t);
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
		upstream_test_end_with(&t, &s);
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
	assert_no_secret_was_sent(&t);
	upstream_test_end_with(&t, &s);
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
	upstream_test_end_with(&t, &s);
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
	upstream_test_end_with(&t, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_from_the_first_byte),
		cmocka_unit_test(starttls_then_ehlo_again_then_the_password),
		cmocka_unit_test(the_name_in_the_certificate_is_the_one_configured),
		cmocka_unit_test(a_wrong_name_gets_no_password),
		cmocka_unit_test(an_unknown_issuer_gets_no_password),
		cmocka_unit_test(an_unverified_certificate_gets_mail_but_no_password),
		cmocka_unit_test(a_stripped_starttls_ends_it),
		cmocka_unit_test(a_refused_starttls_ends_it),
		cmocka_unit_test(bytes_after_starttls_end_it),
		cmocka_unit_test(what_was_offered_before_tls_does_not_count),
		cmocka_unit_test(a_greeting_that_is_none_is_told),
		cmocka_unit_test(a_relay_without_ehlo_is_told),
		cmocka_unit_test(a_relay_that_is_not_there_is_told_and_comes_back_by_itself),
		cmocka_unit_test(a_name_that_does_not_resolve_is_told),
	};
	return cmocka_run_group_tests_name("relay: upstream TLS", tests, NULL, NULL);
}
