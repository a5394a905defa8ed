/* A session as its client sees it: greeting, EHLO, STARTTLS, small commands, errors, and how it is counted. */
#include "gate_fixture.h"

/* ---- greeting and EHLO */

static void a_client_of_the_encrypted_port_is_greeted_under_tls(void **state)
{
	struct client c;
	(void)state;
	client_offered_login(&c);
	assert_false(was_traced("SESSION_OPENED"));
	client_say(&c, "AUTH UNKNOWN\r\n");
	RUN_UNTIL(was_traced("SESSION_OPENED submissions 127.0.0.1 TLSv1.3\n"));
	client_close(&c);
}

static void before_starttls_no_login_is_offered(void **state)
{
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("STARTTLS"));
	assert_false(was_traced("SESSION_OPENED"));
	client_close(&c);
}

static void helo_gets_one_line(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	client_say(&c, "HELO pc.local\r\n");
	HEARS(&c, "250 mail.example.com\r\n");
	client_say(&c, "HELO\r\n");
	HEARS(&c, "501 5.5.4 Say who you are: EHLO your.host.name\r\n");
	client_close(&c);
}

static void the_offer_follows_what_the_auth_role_says(void **state)
{
	struct client c;
	struct buf names BUF_AUTO;
	(void)state;
	buf_init(&names, 64);
	assert_int_equal(codec_list_add(&names, SPAN("SCRAM-SHA-256")), STATUS_OK);
	struct door_mechanisms mechanisms = { .names = codec_list_of(&names) };
	assert_int_equal(door_send_mechanisms(world.auth.door, &mechanisms), STATUS_OK);
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&c, OFFER("AUTH SCRAM-SHA-256"));
	HEARS(&c, "504 5.5.4 This authentication mechanism is not offered\r\n");
	client_close(&c);
}

/* ---- STARTTLS */

static void starttls_forgets_what_was_said_in_clear(void **state)
{
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_say(&c, "EHLO pc.local\r\nSTARTTLS\r\n");
	HEARS(&c, OFFER("STARTTLS"));
	HEARS(&c, "220 2.0.0 Ready to start TLS\r\n");
	client_secure(&c);
	assert_true(c.secured);
	client_say(&c, "AUTH PLAIN good\r\nEHLO pc.local\r\nSTARTTLS\r\n");
	HEARS(&c, "503 5.5.1 Send EHLO first\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "503 5.5.1 TLS is active already\r\n");
	assert_false(was_traced("SESSION_OPENED")); /* that AUTH was out of place */
	client_close(&c);
}

static void input_after_starttls_ends_the_connection(void **state)
{
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_say(&c, "STARTTLS\r\nEHLO injected\r\n");
	HEARS(&c, "554 5.5.1 Nothing may be sent after STARTTLS until it is answered\r\n");
	client_hears_no_more(&c);
	RUN_UNTIL(was_traced("SESSION_CLOSED input after STARTTLS\n"));
	client_close(&c);
}

static void nothing_that_needs_tls_works_in_clear(void **state)
{
	static const struct {
		const char *says, *hears;
	} cases[] = {
		{ "AUTH PLAIN good\r\n", "538 5.7.11 Encryption required: issue a STARTTLS command first\r\n" },
		{ "MAIL FROM:<alice@example.com>\r\n", "530 5.7.0 Must issue a STARTTLS command first\r\n" },
		{ "RCPT TO:<bob@example.net>\r\n", "530 5.7.0 Must issue a STARTTLS command first\r\n" },
		{ "DATA\r\n", "530 5.7.0 Must issue a STARTTLS command first\r\n" },
	};
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("STARTTLS"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_say(&c, cases[i].says);
		HEARS(&c, cases[i].hears);
	}
	client_say(&c, "QUIT\r\n");
	RUN_UNTIL(was_traced("SESSION_CLOSED login before TLS\n"));
	assert_false(was_traced("START"));
	client_close(&c);
}

/* ---- small commands and errors */

static void small_commands_have_their_answers(void **state)
{
	static const struct {
		const char *says, *hears;
	} cases[] = {
		{ "NOOP\r\n", "250 2.0.0 OK\r\n" },
		{ "noop with words\r\n", "250 2.0.0 OK\r\n" },
		{ "RSET\r\n", "250 2.0.0 Reset\r\n" },
		{ "VRFY bob\r\n", "252 2.5.0 Can't verify an address, but a message to it may be sent\r\n" },
		{ "HELP\r\n",
		  "214 2.0.0 Mail submission: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT, RSET, NOOP, VRFY, "
		  "HELP, QUIT\r\n" },
		{ "RSET now\r\n", "501 5.5.4 This command takes no argument\r\n" },
		{ "FROB\r\n", "500 5.5.1 This command is not known here\r\n" },
		{ "\r\n", "500 5.5.2 This line is not a command\r\n" },
		{ "NO\rOP\r\n", "500 5.5.2 Line with a NUL or a stray carriage return\r\n" },
		{ "NOOP\n", "250 2.0.0 OK\r\n" },
	};
	for (unsigned dripping = 0; dripping < 2; dripping++) {
		struct client c;
		(void)state;
		client_greeted(&c);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			(dripping ? client_drip : client_say)(&c, cases[i].says);
			HEARS(&c, cases[i].hears);
		}
		client_say(&c, "QUIT\r\nNOOP\r\n");
		HEARS(&c, "221 2.0.0 Goodbye\r\n");
		client_hears_no_more(&c);
		client_close(&c);
	}
}

static void too_many_errors_end_the_session(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 3;
	client_greeted(&c);
	client_say(&c, "FROB\r\nEHLO pc.local\r\nAUTH PLAIN wrong\r\nFROB\r\nNOOP\r\n");
	HEARS(&c, "500 5.5.1 This command is not known here\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");
	HEARS(&c, "500 5.5.1 This command is not known here\r\n");
	HEARS(&c, "421 4.7.0 Too many errors, closing the connection\r\n");
	client_hears_no_more(&c);
	client_close(&c);
}

static void a_browser_is_sent_away_at_once(void **state)
{
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_say(&c, "POST / HTTP/1.1\r\nMAIL FROM:<a@b>\r\n");
	client_hears_no_more(&c);
	client_close(&c);
}

static void a_client_that_reads_no_replies_is_not_read_either(void **state)
{
	static const char noops[] = "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n";
	struct client c;
	(void)state;
	world.config.limits.errors = 10000000;
	client_greeted(&c);
	stream_pause(c.stream);
	for (unsigned i = 0; i < 300000; i++)
		client_say(&c, noops);
	world_turn_for(200);
	assert_true(stream_backlog(c.stream) > 1000000);
	stream_resume(c.stream);
	RUN_UNTIL(buf_size(&c.heard) == 2400000U * strlen("250 2.0.0 OK\r\n"));
	client_close(&c);
}

/* ---- deadlines, limits, drain */

static void a_client_that_does_not_log_in_in_time_is_told_and_closed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.auth_timeout = 100;
	client_greeted(&c);
	client_drip(&c, "EHLO pc.local");
	HEARS(&c, "421 4.4.2 No login for too long, closing the connection\r\n");
	client_hears_no_more(&c);
	RUN_UNTIL(was_traced("SESSION_REFUSED login address=127.0.0.1"));
	client_close(&c);
}

static void a_client_that_is_idle_for_too_long_is_told_and_closed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.command_timeout = 150;
	client_logged_in(&c);
	HEARS(&c, "421 4.4.2 Idle for too long, closing the connection\r\n");
	client_hears_no_more(&c);
	RUN_UNTIL(was_traced("SESSION_CLOSED "));
	client_close(&c);
}

static void sessions_are_counted_as_they_come_and_go(void **state)
{
	struct client a, b;
	(void)state;
	client_greeted(&a);
	client_logged_in(&b);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_SESSIONS, 0), 1);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_SESSIONS, 1), 1);
	client_close(&a);
	client_close(&b);
	RUN_UNTIL(stats_sum(world.stats, 1, COUNTER_SESSIONS, 0) == 0);
	RUN_UNTIL(stats_sum(world.stats, 1, COUNTER_SESSIONS, 1) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_client_of_the_encrypted_port_is_greeted_under_tls),
		IN_WORLD(before_starttls_no_login_is_offered),
		IN_WORLD(helo_gets_one_line),
		IN_WORLD(the_offer_follows_what_the_auth_role_says),
		IN_WORLD(starttls_forgets_what_was_said_in_clear),
		IN_WORLD(input_after_starttls_ends_the_connection),
		IN_WORLD(nothing_that_needs_tls_works_in_clear),
		IN_WORLD(small_commands_have_their_answers),
		IN_WORLD(too_many_errors_end_the_session),
		IN_WORLD(a_browser_is_sent_away_at_once),
		IN_WORLD(a_client_that_reads_no_replies_is_not_read_either),
		IN_WORLD(a_client_that_does_not_log_in_in_time_is_told_and_closed),
		IN_WORLD(a_client_that_is_idle_for_too_long_is_told_and_closed),
		IN_WORLD(sessions_are_counted_as_they_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
