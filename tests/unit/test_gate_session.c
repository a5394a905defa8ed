/* A session up to its login, and all the ways it ends: the gate role as its clients see it. */
#include "gate/gate.h"
#include "gate/refused.h"
#include "gate_fixture.h"

/* ---- greeting and EHLO */

static void a_client_of_the_encrypted_port_is_greeted_under_tls(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	assert_false(traced("SESSION_OPENED"));
	say(&c, "AUTH UNKNOWN\r\n");
	RUN_UNTIL(traced("SESSION_OPENED submissions 127.0.0.1 TLSv1.3\n"));
	client_close(&c);
}

static void before_starttls_no_login_is_offered(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	HEARS(&c, GREETING);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("STARTTLS"));
	assert_false(traced("SESSION_OPENED"));
	client_close(&c);
}

static void helo_gets_one_line(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "HELO pc.local\r\n");
	HEARS(&c, "250 mail.example.com\r\n");
	say(&c, "HELO\r\n");
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
	say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&c, OFFER("AUTH SCRAM-SHA-256"));
	HEARS(&c, "504 5.5.4 This authentication mechanism is not offered\r\n");
	client_close(&c);
}

/* ---- STARTTLS */

static void starttls_forgets_what_was_said_in_clear(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	HEARS(&c, GREETING);
	say(&c, "EHLO pc.local\r\nSTARTTLS\r\n");
	HEARS(&c, OFFER("STARTTLS"));
	HEARS(&c, "220 2.0.0 Ready to start TLS\r\n");
	client_secure(&c);
	assert_true(c.secured);
	say(&c, "AUTH PLAIN good\r\nEHLO pc.local\r\nSTARTTLS\r\n");
	HEARS(&c, "503 5.5.1 Send EHLO first\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "503 5.5.1 TLS is active already\r\n");
	assert_false(traced("SESSION_OPENED")); /* that AUTH was out of place */
	client_close(&c);
}

static void input_after_starttls_ends_the_connection(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	HEARS(&c, GREETING);
	say(&c, "STARTTLS\r\nEHLO injected\r\n");
	HEARS(&c, "554 5.5.1 Nothing may be sent after STARTTLS until it is answered\r\n");
	hears_no_more(&c);
	RUN_UNTIL(traced("SESSION_CLOSED input after STARTTLS\n"));
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
	client_connect(&c, SUBMISSION);
	HEARS(&c, GREETING);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("STARTTLS"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(&c, cases[i].says);
		HEARS(&c, cases[i].hears);
	}
	say(&c, "QUIT\r\n");
	RUN_UNTIL(traced("SESSION_CLOSED login before TLS\n"));
	assert_false(traced("START"));
	client_close(&c);
}

/* ---- AUTH */

static void a_login_works_with_and_without_initial_response(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	assert_true(traced("SASL_START PLAIN initial=1:good listener=submissions tls=TLSv1.3 helo=pc.local\n"));
	client_close(&c);

	client_greeted(&c);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	say(&c, "auth login\r\n");
	HEARS(&c, "334 d2hv\r\n");
	say(&c, "good\r\n");
	HEARS(&c, "235 2.7.0 Welcome\r\n");
	assert_true(traced("SASL_START login initial=0: "));
	client_close(&c);
}

static void an_equals_sign_is_an_empty_initial_response(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\nAUTH PLAIN =\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");
	assert_true(traced("SASL_START PLAIN initial=1:= "));
	client_close(&c);
}

static void a_login_can_be_cancelled_and_tried_again(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	say(&c, "AUTH LOGIN\r\n");
	HEARS(&c, "334 d2hv\r\n");
	say(&c, "*\r\n");
	HEARS(&c, "501 5.7.0 Authentication cancelled\r\n");
	assert_true(traced("SASL_CANCEL\n"));
	say(&c, "AUTH PLAIN wrong\r\n");
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");
	say(&c, "AUTH PLAIN good\r\n");
	HEARS(&c, "235 2.7.0 Welcome\r\n");
	say(&c, "AUTH PLAIN good\r\n");
	HEARS(&c, "503 5.5.1 Already logged in\r\n");
	client_close(&c);
}

static void a_login_says_what_is_wrong_with_it(void **state)
{
	static const struct {
		const char *says, *hears;
	} cases[] = {
		{ "AUTH\r\n", "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n" },
		{ "AUTH PLAIN a b\r\n", "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n" },
		{ "AUTH GSSAPI\r\n", "504 5.5.4 This authentication mechanism is not offered\r\n" },
		{ "MAIL FROM:<alice@example.com>\r\n", "530 5.7.0 Authentication required\r\n" },
	};
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(&c, cases[i].says);
		HEARS(&c, cases[i].hears);
	}
	assert_false(traced("SASL_START"));
	client_close(&c);
}

static void long_lines_are_taken_within_auth_only(void **state)
{
	char line[20000];
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));

	memset(line, 'A', sizeof(line));
	memcpy(line, "AUTH PLAIN ", 11);
	line[12300] = '\0';
	say(&c, line);
	say(&c, "\r\n");
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");

	say(&c, "AUTH LOGIN\r\n");
	HEARS(&c, "334 d2hv\r\n");
	memset(line, 'A', sizeof(line));
	line[18000] = '\0';
	say(&c, line);
	say(&c, "\r\nNOOP\r\n");
	HEARS(&c, "500 5.5.6 Line too long\r\n250 2.0.0 OK\r\n");
	assert_true(traced("SASL_CANCEL\n"));

	memset(line, 'A', sizeof(line));
	memcpy(line, "NOOP ", 5);
	line[2100] = '\0';
	say(&c, line);
	say(&c, "\r\nNOOP\r\n");
	HEARS(&c, "500 5.5.6 Line too long\r\n250 2.0.0 OK\r\n");
	client_close(&c);
}

static void nothing_is_read_while_the_verdict_is_awaited(void **state)
{
	struct client c;
	(void)state;
	world.auth.silent = true;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\nNOOP\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	RUN_UNTIL(traced("SASL_START"));
	rest(20);
	assert_int_equal(buf_size(&c.heard), 0);
	auth_answer(world.auth.last, true, "235 2.7.0 Welcome");
	HEARS(&c, "235 2.7.0 Welcome\r\n250 2.0.0 OK\r\n");
	client_close(&c);
}

static void a_verdict_that_comes_late_is_dropped(void **state)
{
	struct client c;
	(void)state;
	world.auth.silent = true;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	RUN_UNTIL(traced("SASL_START"));
	auth_answer(world.auth.last + 1, true, "235 2.7.0 Welcome");
	auth_answer(world.auth.last, false, "454 4.7.0 The directory is away");
	auth_answer(world.auth.last, true, "235 2.7.0 Welcome");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "454 4.7.0 The directory is away\r\n");
	say(&c, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&c, "530 5.7.0 Authentication required\r\n");
	client_close(&c);
}

static void without_the_auth_role_a_login_is_refused_for_now(void **state)
{
	struct client c;
	(void)state;
	world.auth.silent = true;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	RUN_UNTIL(traced("SASL_START"));
	door_free(&world.auth.door);
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	say(&c, "AUTH PLAIN good\r\n");
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	world.auth.silent = false;
	attach_auth();
	say(&c, "AUTH PLAIN good\r\n");
	HEARS(&c, "235 2.7.0 Welcome\r\n");
	client_close(&c);
}

static void the_auth_role_lost_between_challenge_and_response_is_told_with_the_response(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	say(&c, "AUTH LOGIN\r\n");
	HEARS(&c, "334 d2hv\r\n");
	door_free(&world.auth.door);
	rest(10);
	assert_int_equal(buf_size(&c.heard), 0);
	say(&c, "good\r\n");
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	client_close(&c);
}

static void a_grant_that_another_relay_holds_does_not_count(void **state)
{
	struct client c;
	(void)state;
	world.auth.silent = true;
	client_greeted(&c);
	say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	RUN_UNTIL(traced("SASL_START"));
	attach_relay();
	turn();
	auth_answer(world.auth.last, true, "235 2.7.0 Welcome");
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	say(&c, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&c, "530 5.7.0 Authentication required\r\n");
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
			(dripping ? drip : say)(&c, cases[i].says);
			HEARS(&c, cases[i].hears);
		}
		say(&c, "QUIT\r\nNOOP\r\n");
		HEARS(&c, "221 2.0.0 Goodbye\r\n");
		hears_no_more(&c);
		client_close(&c);
	}
}

static void too_many_errors_end_the_session(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 3;
	client_greeted(&c);
	say(&c, "FROB\r\nEHLO pc.local\r\nAUTH PLAIN wrong\r\nFROB\r\nNOOP\r\n");
	HEARS(&c, "500 5.5.1 This command is not known here\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");
	HEARS(&c, "500 5.5.1 This command is not known here\r\n");
	HEARS(&c, "421 4.7.0 Too many errors, closing the connection\r\n");
	hears_no_more(&c);
	client_close(&c);
}

static void a_browser_is_sent_away_at_once(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	HEARS(&c, GREETING);
	say(&c, "POST / HTTP/1.1\r\nMAIL FROM:<a@b>\r\n");
	hears_no_more(&c);
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
		say(&c, noops);
	rest(200);
	assert_true(stream_backlog(c.stream) > 1000000);
	stream_resume(c.stream);
	RUN_UNTIL(buf_size(&c.heard) == 2400000U * strlen("250 2.0.0 OK\r\n"));
	client_close(&c);
}

/* ---- deadlines, limits, drain */

static void who_does_not_log_in_in_time_is_told_and_closed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.auth_timeout = 100;
	client_greeted(&c);
	drip(&c, "EHLO pc.local");
	HEARS(&c, "421 4.4.2 No login for too long, closing the connection\r\n");
	hears_no_more(&c);
	RUN_UNTIL(traced("SESSION_REFUSED login address=127.0.0.1"));
	client_close(&c);
}

static void who_is_idle_for_too_long_is_told_and_closed(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.command_timeout = 150;
	client_logged_in(&c);
	HEARS(&c, "421 4.4.2 Idle for too long, closing the connection\r\n");
	hears_no_more(&c);
	RUN_UNTIL(traced("SESSION_CLOSED "));
	client_close(&c);
}

static void start_again_with(uint64_t per_address)
{
	gate_role.stop(world.gate);
	door_free(&world.auth.door);
	door_free(&world.relay.door);
	open_listeners();
	world.config.limits.connections_per_address = per_address;
	start_gate();
}

static void one_network_gets_so_many_connections(void **state)
{
	struct client c[3];
	(void)state;
	start_again_with(2);
	for (size_t i = 0; i < 3; i++)
		client_connect(&c[i], SUBMISSION);
	HEARS(&c[0], GREETING);
	HEARS(&c[1], GREETING);
	HEARS(&c[2], "421 4.7.0 Too many connections, please try again later\r\n");
	hears_no_more(&c[2]);
	client_close(&c[0]);
	client_close(&c[2]);
	rest(10);
	client_connect(&c[0], SUBMISSION);
	HEARS(&c[0], GREETING);
	client_close(&c[0]);
	client_close(&c[1]);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_CONNECTIONS, SUBMISSION), 4);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_ADDRESS), 1);
	RUN_UNTIL(traced("SESSION_REFUSED address address=127.0.0.1 listener=submission count=1\n"));
}

static void without_memory_no_handshake_begins(void **state)
{
	struct client c;
	struct gate *gate = world.gate;
	(void)state;
	client_connect(&c, SUBMISSIONS);
	RUN_UNTIL(gate->open_count == 1);
	gate->limits.memory = 1;
	assert_int_equal(stream_secure_client(c.stream, world.tls, SPAN("mail.example.com")), STATUS_OK);
	RUN_UNTIL(gate->open_count == 0);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_MEMORY), 1);
	client_close(&c);
	gate->limits.memory = 1U << 30;
	client_greeted(&c);
	client_close(&c);
}

/* Clients that begin theirs and say no more: with two of them the limit is reached, with one it is not. */
static void handshakes_under_way_are_memory_in_use(void **state)
{
	struct client under_way[2], other;
	struct gate *gate = world.gate;
	(void)state;
	size_t before = tls_memory();
	for (size_t i = 0; i < 2; i++) {
		client_connect(&under_way[i], SUBMISSIONS);
		say(&under_way[i], "\x16\x03\x01");
		RUN_UNTIL(tls_memory() - before >= (i + 1) * 32768);
	}
	gate->limits.memory = buf_memory() + tls_memory();
	client_connect(&other, SUBMISSION);
	HEARS(&other, "421 4.3.2 No memory for more clients, please try again later\r\n");
	hears_no_more(&other);
	client_close(&other);
	client_close(&under_way[0]);
	RUN_UNTIL(gate->open_count == 1);
	client_connect(&other, SUBMISSION);
	HEARS(&other, GREETING);
	client_close(&other);
	client_close(&under_way[1]);
	RUN_UNTIL(gate->open_count == 0);
	assert_int_equal(tls_memory(), before);
}

static void without_memory_what_is_under_way_ends_well_and_nothing_begins(void **state)
{
	struct client in, out;
	struct gate *gate = world.gate;
	(void)state;
	client_logged_in(&in);
	say(&in, "MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.net>\r\n");
	HEARS(&in, "250 2.1.0 Sender accepted\r\n250 2.1.5 OK\r\n");
	gate->limits.memory = 1;
	client_connect(&out, SUBMISSION);
	HEARS(&out, "421 4.3.2 No memory for more clients, please try again later\r\n");
	hears_no_more(&out);
	client_close(&out);
	say(&in, "DATA\r\n");
	HEARS(&in, "354 Go ahead, end with a line that holds only a dot\r\n");
	say(&in, "From: alice@example.com\r\n\r\nHello\r\n.\r\n");
	HEARS(&in, "250 2.0.0 Sent as ID1\r\n");
	say(&in, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&in, "452 4.3.1 No memory for one more message now, please try again later\r\n");
	gate->limits.memory = 1U << 30;
	say(&in, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&in, "250 2.1.0 Sender accepted\r\n");
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_MEMORY), 2);
	client_close(&in);
}

static void a_flood_of_refused_clients_makes_few_records_and_none_is_forgotten(void **state)
{
	struct client first, c;
	(void)state;
	start_again_with(1);
	client_connect(&first, SUBMISSION);
	HEARS(&first, GREETING);
	for (unsigned i = 0; i < 50; i++) {
		client_connect(&c, i % 2 ? SUBMISSION : SUBMISSIONS);
		RUN_UNTIL(c.ended || c.failed);
		client_close(&c);
	}
	RUN_UNTIL(traced("SESSION_REFUSED address address= listener= count="));
	size_t records = count_traced("SESSION_REFUSED address address=127.0.0.1 ");
	assert_in_range(records, REFUSED_RECORDS_AT_ONCE,
			2 * REFUSED_RECORDS_AT_ONCE); /* it may have taken more than a second */
	if (records == REFUSED_RECORDS_AT_ONCE)
		assert_true(traced("SESSION_REFUSED address address= listener= count=40\n"));
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_ADDRESS), 50);
	client_close(&first);
}

/* Its last reply lies in front of him, and he does not close: the connection is there still. */
static void who_was_told_goodbye_counts_until_he_is_gone(void **state)
{
	struct client c, next;
	(void)state;
	start_again_with(1);
	client_connect(&c, SUBMISSION);
	HEARS(&c, GREETING);
	say(&c, "QUIT\r\n");
	HEARS(&c, "221 2.0.0 Goodbye\r\n");
	hears_no_more(&c);
	client_connect(&next, SUBMISSION);
	HEARS(&next, "421 4.7.0 Too many connections, please try again later\r\n");
	client_close(&next);
	client_close(&c);
	rest(20);
	client_connect(&next, SUBMISSION);
	HEARS(&next, GREETING);
	client_close(&next);
}

static void a_flood_of_incidents_before_tls_makes_few_records_too(void **state)
{
	struct client c;
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		client_connect(&c, SUBMISSION);
		HEARS(&c, GREETING);
		say(&c, "GET / HTTP/1.1\r\n");
		RUN_UNTIL(c.ended || c.failed);
		client_close(&c);
	}
	RUN_UNTIL(traced("SESSION_REFUSED syntax address= listener= count="));
	size_t records = count_traced("SESSION_CLOSED HTTP\n");
	assert_in_range(records, REFUSED_RECORDS_AT_ONCE, 2 * REFUSED_RECORDS_AT_ONCE);
	if (records == REFUSED_RECORDS_AT_ONCE)
		assert_true(traced("SESSION_REFUSED syntax address= listener= count=40\n"));
}

static void what_is_refused_while_the_relay_is_away_is_told_later(void **state)
{
	struct client first, c;
	(void)state;
	start_again_with(1);
	client_connect(&first, SUBMISSION);
	HEARS(&first, GREETING);
	door_free(&world.relay.door);
	rest(20);
	for (unsigned i = 0; i < 3; i++) {
		client_connect(&c, SUBMISSION);
		RUN_UNTIL(c.ended || c.failed);
		client_close(&c);
	}
	attach_relay();
	RUN_UNTIL(traced("SESSION_REFUSED address address= listener= count=3\n"));
	client_close(&first);
}

static void who_reaches_a_limit_before_tls_is_recorded_too(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 2;
	client_connect(&c, SUBMISSION);
	HEARS(&c, GREETING);
	say(&c, "FROB\r\nFROB\r\n");
	RUN_UNTIL(c.ended);
	RUN_UNTIL(traced("SESSION_REFUSED errors address=127.0.0.1 listener=submission count=1\n"));
	assert_false(traced("SESSION_CLOSED"));
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_ERRORS), 1);
	client_close(&c);
}

static void a_draining_gate_closes_the_idle_and_ends(void **state)
{
	struct client idle, late;
	(void)state;
	client_logged_in(&idle);
	gate_role.drain(world.gate, 5000, false);
	HEARS(&idle, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_connect(&late, SUBMISSIONS);
	RUN_UNTIL(late.failed);
	client_close(&idle);
	client_close(&late);
}

/* The kernel has taken it, and the gate has had no turn since. */
static int wait_in_queue(unsigned listener)
{
	const struct endpoint *endpoint = &world.endpoints[listener];
	int fd = socket(endpoint->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&endpoint->storage, endpoint->size), 0);
	return fd;
}

static void who_waits_in_the_queue_of_a_gate_that_drains_is_served(void **state)
{
	char heard[sizeof(GREETING)] = "";
	(void)state;
	int fd = wait_in_queue(SUBMISSION);
	gate_role.drain(world.gate, 60000, true);
	RUN_UNTIL(recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT | MSG_PEEK) > 0);
	assert_string_equal(heard, GREETING);
	close(fd);
	RUN_UNTIL(world.finished);
}

/* A reload: whoever works goes on; who has logged in and rests is told after a while. */
static void a_gate_with_a_successor_disturbs_nobody_who_works(void **state)
{
	struct client fresh;
	(void)state;
	client_connect(&fresh, SUBMISSION);
	gate_role.drain(world.gate, 60000, true);
	HEARS(&fresh, GREETING);
	say(&fresh, "EHLO laptop\r\n");
	HEARS(&fresh, "250-mail.example.com\r\n");
	client_close(&fresh);
	RUN_UNTIL(world.finished);
}

static void a_session_that_rests_ends_with_its_gate(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	gate_role.drain(world.gate, 60000, true);
	say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	rest(100);
	assert_false(world.finished);
	for (int i = 0; i < 2; i++) {
		say(&c, "MAIL FROM:<alice@example.com>\r\n");
		HEARS(&c, "250 2.1.0 Sender accepted\r\n");
		say(&c, "RSET\r\n");
		HEARS(&c, "250 2.0.0 Reset\r\n");
	}
	rest(5000); /* as long as it may */
	HEARS(&c, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_close(&c);
}

static void a_draining_gate_without_sessions_ends_at_once(void **state)
{
	(void)state;
	gate_role.drain(world.gate, 5000, false);
	assert_true(world.finished);
}

static void when_the_time_to_drain_is_up_all_are_closed(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	say(&c, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&c, "250 2.1.0 Sender accepted\r\n");
	gate_role.drain(world.gate, 100, false);
	rest(30);
	assert_false(world.finished);
	HEARS(&c, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
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

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

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
		IN_WORLD(a_login_works_with_and_without_initial_response),
		IN_WORLD(an_equals_sign_is_an_empty_initial_response),
		IN_WORLD(a_login_can_be_cancelled_and_tried_again),
		IN_WORLD(a_login_says_what_is_wrong_with_it),
		IN_WORLD(long_lines_are_taken_within_auth_only),
		IN_WORLD(nothing_is_read_while_the_verdict_is_awaited),
		IN_WORLD(a_verdict_that_comes_late_is_dropped),
		IN_WORLD(without_the_auth_role_a_login_is_refused_for_now),
		IN_WORLD(the_auth_role_lost_between_challenge_and_response_is_told_with_the_response),
		IN_WORLD(a_grant_that_another_relay_holds_does_not_count),
		IN_WORLD(small_commands_have_their_answers),
		IN_WORLD(too_many_errors_end_the_session),
		IN_WORLD(a_browser_is_sent_away_at_once),
		IN_WORLD(a_client_that_reads_no_replies_is_not_read_either),
		IN_WORLD(who_does_not_log_in_in_time_is_told_and_closed),
		IN_WORLD(who_is_idle_for_too_long_is_told_and_closed),
		IN_WORLD(without_memory_no_handshake_begins),
		IN_WORLD(handshakes_under_way_are_memory_in_use),
		IN_WORLD(without_memory_what_is_under_way_ends_well_and_nothing_begins),
		IN_WORLD(one_network_gets_so_many_connections),
		IN_WORLD(a_flood_of_refused_clients_makes_few_records_and_none_is_forgotten),
		IN_WORLD(what_is_refused_while_the_relay_is_away_is_told_later),
		IN_WORLD(a_flood_of_incidents_before_tls_makes_few_records_too),
		IN_WORLD(who_was_told_goodbye_counts_until_he_is_gone),
		IN_WORLD(who_reaches_a_limit_before_tls_is_recorded_too),
		IN_WORLD(a_draining_gate_closes_the_idle_and_ends),
		IN_WORLD(who_waits_in_the_queue_of_a_gate_that_drains_is_served),
		IN_WORLD(a_gate_with_a_successor_disturbs_nobody_who_works),
		IN_WORLD(a_session_that_rests_ends_with_its_gate),
		IN_WORLD(a_draining_gate_without_sessions_ends_at_once),
		IN_WORLD(when_the_time_to_drain_is_up_all_are_closed),
		IN_WORLD(sessions_are_counted_as_they_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
