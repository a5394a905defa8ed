/* AUTH at the gate: exchanges with the auth role, their lines, and their ends. */
#include "gate_fixture.h"

static void a_login_works_with_and_without_initial_response(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	assert_true(was_traced("SASL_START PLAIN initial=1:good listener=submissions tls=TLSv1.3 helo=pc.local\n"));
	client_close(&c);

	client_offered_login(&c);
	client_say(&c, "auth login\r\n");
	HEARS(&c, "334 d2hv\r\n");
	client_say(&c, "good\r\n");
	HEARS(&c, "235 2.7.0 Welcome\r\n");
	assert_true(was_traced("SASL_START login initial=0: "));
	client_close(&c);
}

static void an_equals_sign_is_an_empty_initial_response(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN =\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");
	assert_true(was_traced("SASL_START PLAIN initial=1:= "));
	client_close(&c);
}

static void a_login_can_be_cancelled_and_tried_again(void **state)
{
	struct client c;
	(void)state;
	client_offered_login(&c);
	client_say(&c, "AUTH LOGIN\r\n");
	HEARS(&c, "334 d2hv\r\n");
	client_say(&c, "*\r\n");
	HEARS(&c, "501 5.7.0 Authentication cancelled\r\n");
	assert_true(was_traced("SASL_CANCEL\n"));
	client_say(&c, "AUTH PLAIN wrong\r\n");
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");
	client_say(&c, "AUTH PLAIN good\r\n");
	HEARS(&c, "235 2.7.0 Welcome\r\n");
	client_say(&c, "AUTH PLAIN good\r\n");
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
	client_offered_login(&c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_say(&c, cases[i].says);
		HEARS(&c, cases[i].hears);
	}
	assert_false(was_traced("SASL_START"));
	client_close(&c);
}

static void long_lines_are_taken_within_auth_only(void **state)
{
	char line[20000];
	struct client c;
	(void)state;
	client_offered_login(&c);

	memset(line, 'A', sizeof(line));
	memcpy(line, "AUTH PLAIN ", 11);
	line[12300] = '\0';
	client_say(&c, line);
	client_say(&c, "\r\n");
	HEARS(&c, "535 5.7.8 Wrong user name or password\r\n");

	client_say(&c, "AUTH LOGIN\r\n");
	HEARS(&c, "334 d2hv\r\n");
	memset(line, 'A', sizeof(line));
	line[18000] = '\0';
	client_say(&c, line);
	client_say(&c, "\r\nNOOP\r\n");
	HEARS(&c, "500 5.5.6 Line too long\r\n250 2.0.0 OK\r\n");
	assert_true(was_traced("SASL_CANCEL\n"));

	memset(line, 'A', sizeof(line));
	memcpy(line, "NOOP ", 5);
	line[2100] = '\0';
	client_say(&c, line);
	client_say(&c, "\r\nNOOP\r\n");
	HEARS(&c, "500 5.5.6 Line too long\r\n250 2.0.0 OK\r\n");
	client_close(&c);
}

static void nothing_is_read_while_the_verdict_is_awaited(void **state)
{
	struct client c;
	(void)state;
	world.auth.silent = true;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\nNOOP\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	RUN_UNTIL(was_traced("SASL_START"));
	world_turn_for(20);
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
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	RUN_UNTIL(was_traced("SASL_START"));
	auth_answer(world.auth.last + 1, true, "235 2.7.0 Welcome");
	auth_answer(world.auth.last, false, "454 4.7.0 The directory is away");
	auth_answer(world.auth.last, true, "235 2.7.0 Welcome");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "454 4.7.0 The directory is away\r\n");
	client_say(&c, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&c, "530 5.7.0 Authentication required\r\n");
	client_close(&c);
}

static void without_the_auth_role_a_login_is_refused_for_now(void **state)
{
	struct client c;
	(void)state;
	world.auth.silent = true;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	RUN_UNTIL(was_traced("SASL_START"));
	door_free(&world.auth.door);
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	client_say(&c, "AUTH PLAIN good\r\n");
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	world.auth.silent = false;
	attach_auth();
	client_say(&c, "AUTH PLAIN good\r\n");
	HEARS(&c, "235 2.7.0 Welcome\r\n");
	client_close(&c);
}

static void the_auth_role_lost_between_challenge_and_response_is_told_with_the_response(void **state)
{
	struct client c;
	(void)state;
	client_offered_login(&c);
	client_say(&c, "AUTH LOGIN\r\n");
	HEARS(&c, "334 d2hv\r\n");
	door_free(&world.auth.door);
	world_turn_for(10);
	assert_int_equal(buf_size(&c.heard), 0);
	client_say(&c, "good\r\n");
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	client_close(&c);
}

static void a_grant_that_another_relay_holds_does_not_count(void **state)
{
	struct client c;
	(void)state;
	world.auth.silent = true;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	RUN_UNTIL(was_traced("SASL_START"));
	attach_relay();
	world_turn();
	auth_answer(world.auth.last, true, "235 2.7.0 Welcome");
	HEARS(&c, "454 4.7.0 Temporary authentication failure, please try again later\r\n");
	client_say(&c, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&c, "530 5.7.0 Authentication required\r\n");
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
