/* What only an attacker, or a client that is badly broken, does to a session. */
#include "gate_mail.h"

#define UNKNOWN "500 5.5.1 This command is not known here\r\n"
#define NO_MESSAGE "421 4.7.0 DATA was refused, and no message may follow it, closing the connection\r\n"

static void tls_in_front_of_starttls_is_not_waited_for(void **state)
{
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_say(&c, "\x16\x03\x01 no line end");
	client_hears_no_more(&c);
	RUN_UNTIL(was_traced("SESSION_CLOSED TLS before STARTTLS\n"));
	client_close(&c);
}

static void a_message_after_a_refused_data_is_no_commands(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, "DATA\r\n" MAIL RCPT "DATA\r\n");
	HEARS(&c, "503 5.5.1 Send MAIL first\r\n" NO_MESSAGE);
	client_hears_no_more(&c);
	RUN_UNTIL(was_traced("SESSION_CLOSED message after a refused DATA\n"));
	assert_false(was_traced("ENVELOPE"));
	client_close(&c);
}

static void one_that_comes_later_is_none_either(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, "DATA\r\n");
	HEARS(&c, "503 5.5.1 Send MAIL first\r\n");
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	client_say(&c, "Subject: hello\r\n");
	HEARS(&c, UNKNOWN);
	client_say(&c, "DATA\r\n");
	HEARS(&c, "503 5.5.1 Send MAIL first\r\n");
	client_say(&c, "Subject: hello\r\n" MAIL RCPT "DATA\r\n");
	HEARS(&c, UNKNOWN NO_MESSAGE);
	client_hears_no_more(&c);
	assert_false(was_traced("ENVELOPE"));
	client_close(&c);
}

static void a_hundred_commands_may_lead_nowhere_and_each_more_is_an_error(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 3;
	client_greeted(&c);
	for (unsigned i = 0; i < 33; i++) {
		client_say(&c, "NOOP\r\nRSET\r\nNOOP\r\n");
		HEARS(&c, "250 2.0.0 OK\r\n250 2.0.0 Reset\r\n250 2.0.0 OK\r\n");
	}
	client_say(&c, "NOOP\r\nRSET\r\nNOOP\r\nNOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n250 2.0.0 Reset\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n"
		  "421 4.7.0 Too many errors, closing the connection\r\n");
	client_hears_no_more(&c);
	client_close(&c);
}

/* A list with bad addresses in it: the good ones get their mail all the same. */
static void refused_recipients_are_no_errors_of_the_session(void **state)
{
	static const struct {
		const char *says, *hears;
	} refused[] = {
		{ "RCPT TO:<not an address>\r\n", "501 5.1.3 This is not a recipient address\r\n" },
		{ "RCPT FROM:<bob@example.net>\r\n", "501 5.5.4 Syntax: RCPT TO:<address>\r\n" },
		{ "RCPT TO:<bob@example.net> FROB=1\r\n", "555 5.5.4 This parameter of RCPT is not known here\r\n" },
		{ "RCPT TO:<bad@example.net>\r\n", "550 5.1.1 No such user\r\n" },
		{ "DATA\r\n", "554 5.5.1 No valid recipients\r\n" },
	};
	struct client c;
	(void)state;
	world.config.limits.errors = 1;
	client_logged_in(&c);
	client_say(&c, MAIL);
	HEARS(&c, SENDER_OK);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		client_say(&c, refused[i].says);
		HEARS(&c, refused[i].hears);
	}
	client_say(&c, RCPT "DATA\r\n");
	HEARS(&c, RCPT_OK GO);
	client_say(&c, "From: <alice@example.com>\r\n\r\nhello\r\n.\r\n");
	HEARS(&c, SENT);
	client_close(&c);
}

/* Malformed ones are recipients that were asked for: whoever sends after them was not out of step. */
static void a_message_for_malformed_recipients_alone_has_none_that_is_valid(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 1;
	client_logged_in(&c);
	client_say(&c, MAIL "RCPT TO:<not an address>\r\nDATA\r\n");
	HEARS(&c, SENDER_OK "501 5.1.3 This is not a recipient address\r\n554 5.5.1 No valid recipients\r\n");
	client_say(&c, "BDAT 3 LAST\r\nabc");
	HEARS(&c, "554 5.5.1 No valid recipients\r\n");
	client_close(&c);
}

static void a_message_that_names_nobody_is_an_error(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 1;
	client_logged_in(&c);
	client_say(&c, MAIL "DATA\r\n");
	HEARS(&c, SENDER_OK "503 5.5.1 Send RCPT first\r\n421 4.7.0 Too many errors, closing the connection\r\n");
	client_close(&c);
}

static void whoever_asks_to_send_to_nobody_again_makes_errors(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 2;
	client_logged_in(&c);
	client_say(&c, MAIL "RCPT TO:<bad@example.net>\r\nDATA\r\n");
	HEARS(&c, SENDER_OK "550 5.1.1 No such user\r\n554 5.5.1 No valid recipients\r\n");
	for (unsigned i = 0; i < 2; i++) {
		client_say(&c, "DATA\r\n");
		HEARS(&c, "554 5.5.1 No valid recipients\r\n");
	}
	HEARS(&c, "421 4.7.0 Too many errors, closing the connection\r\n");
	client_close(&c);
}

static void malformed_recipients_without_end_are_errors(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 1;
	client_logged_in(&c);
	client_say(&c, MAIL);
	HEARS(&c, SENDER_OK);
	for (unsigned i = 0; i < 1000; i++) {
		client_say(&c, "RCPT TO:<>\r\n");
		HEARS(&c, "501 5.1.3 This is not a recipient address\r\n");
	}
	client_say(&c, "RCPT TO:<>\r\n");
	HEARS(&c, "501 5.1.3 This is not a recipient address\r\n421 4.7.0 Too many errors, closing the connection\r\n");
	client_close(&c);
}

static void a_message_makes_good_for_commands_that_led_nowhere(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 1;
	client_logged_in(&c);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned k = 0; k < 90; k++)
			client_say(&c, "RSET\r\n");
		for (unsigned k = 0; k < 90; k++)
			HEARS(&c, "250 2.0.0 Reset\r\n");
		client_say(&c, MAIL RCPT "DATA\r\n");
		HEARS(&c, SENDER_OK RCPT_OK GO);
		client_say(&c, "\r\nHello\r\n.\r\n");
		HEARS(&c, SENT);
	}
	client_close(&c);
}

static void a_line_that_cannot_be_read_ends_it_too(void **state)
{
	static const struct {
		const char *says;
		size_t size;
		const char *hears;
	} cases[] = {
		{ "BDAT 6\rLAST\r\nQUIT\r\n", 19, "500 5.5.2 Line with a NUL or a stray carriage return\r\n" },
		{ "bdat 6\0LAST\r\nQUIT\r\n", 19, "500 5.5.2 Line with a NUL or a stray carriage return\r\n" },
		{ "BDAT", 3000, "500 5.5.6 Line too long\r\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c;
		char text[3001];
		memset(text, ' ', sizeof(text));
		memcpy(text, cases[i].says, cases[i].size < sizeof(text) - 1 ? cases[i].size : 4);
		client_logged_in(&c);
		assert_int_equal(stream_write(c.stream, (struct span){ text, cases[i].size }), STATUS_OK);
		HEARS(&c, cases[i].hears);
		HEARS(&c, "421 4.7.0 What follows can't be told from commands, closing the connection\r\n");
		client_hears_no_more(&c);
		client_close(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(tls_in_front_of_starttls_is_not_waited_for),
		IN_WORLD(a_message_after_a_refused_data_is_no_commands),
		IN_WORLD(one_that_comes_later_is_none_either),
		IN_WORLD(a_hundred_commands_may_lead_nowhere_and_each_more_is_an_error),
		IN_WORLD(refused_recipients_are_no_errors_of_the_session),
		IN_WORLD(a_message_for_malformed_recipients_alone_has_none_that_is_valid),
		IN_WORLD(a_message_that_names_nobody_is_an_error),
		IN_WORLD(whoever_asks_to_send_to_nobody_again_makes_errors),
		IN_WORLD(malformed_recipients_without_end_are_errors),
		IN_WORLD(a_message_makes_good_for_commands_that_led_nowhere),
		IN_WORLD(a_line_that_cannot_be_read_ends_it_too),
	};
	return cmocka_run_group_tests_name("gate abuse", tests, NULL, NULL);
}
