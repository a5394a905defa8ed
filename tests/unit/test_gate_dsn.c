/* DSN at the gate: offered where all relays have it, unknown elsewhere, and passed on to the relay. */
#include "gate_mail.h"

#define UNKNOWN_OF_MAIL "555 5.5.4 This parameter of MAIL is not known here\r\n"
#define UNKNOWN_OF_RCPT "555 5.5.4 This parameter of RCPT is not known here\r\n"
#define WITH_DSN                                                                         \
	"250-mail.example.com\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n" \
	"250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-DSN\r\n250 AUTH PLAIN LOGIN\r\n"

static struct config_relay relays[] = { { .dsn = true }, { .dsn = true } };

static void have_relays(bool first, bool second)
{
	relays[0].dsn = first;
	relays[1].dsn = second;
	world.config.relay.items = relays;
	world.config.relay.count = 2;
}

static void it_is_offered_where_all_relays_have_it(void **state)
{
	struct client c;
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		have_relays(i & 1, i & 2);
		client_greeted(&c);
		client_say(&c, "EHLO pc.local\r\n");
		HEARS(&c, i == 3 ? WITH_DSN : OFFER("AUTH PLAIN LOGIN"));
		client_close(&c);
	}
}

static void its_parameters_go_to_the_relay(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	have_relays(true, true);
	client_say(&c, "MAIL FROM:<alice@example.com> ENVID=a+2Bb ret=full SIZE=5\r\n"
		       "RCPT TO:<bob@example.net> ORCPT=rfc822;bob@example.net NOTIFY=Success\r\n"
		       "RCPT TO:<carol@example.net>\r\n");
	HEARS(&c, SENDER_OK RCPT_OK RCPT_OK);
	assert_true(was_traced("parameters=SIZE=5 RET=full ENVID=a+2Bb size=5"));
	assert_true(was_traced("PARAMETERS=<NOTIFY=Success ORCPT=rfc822;bob@example.net><>\n"));
	client_close(&c);
}

static void they_are_unknown_where_it_is_not_offered(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	have_relays(true, false);
	client_say(&c, "MAIL FROM:<alice@example.com> RET=FULL\r\nMAIL FROM:<alice@example.com> ENVID=1\r\n"
		       "MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.net> NOTIFY=NEVER\r\n"
		       "RCPT TO:<bob@example.net> ORCPT=rfc822;bob@example.net\r\n");
	HEARS(&c, UNKNOWN_OF_MAIL UNKNOWN_OF_MAIL SENDER_OK UNKNOWN_OF_RCPT UNKNOWN_OF_RCPT);
	client_close(&c);
}

static void a_thousand_recipients_with_the_longest_parameters_are_taken(void **state)
{
	struct client c;
	char orcpt[480];
	(void)state;
	client_logged_in(&c);
	have_relays(true, true);
	world.config.limits.recipients_per_message = 1000;
	memset(orcpt, 'x', sizeof(orcpt) - 1);
	orcpt[sizeof(orcpt) - 1] = '\0';
	struct buf text BUF_AUTO;
	buf_init(&text, BIG_MAXIMUM);
	assert_int_equal(buf_append_text(&text, "MAIL FROM:<alice@example.com>\r\n"), STATUS_OK);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&text,
					    "RCPT TO:<r%u@example.net> NOTIFY=SUCCESS,FAILURE,DELAY "
					    "ORCPT=rfc822;%s@example.net\r\n",
					    i, orcpt),
				 STATUS_OK);
	assert_int_equal(stream_write(c.stream, buf_span(&text)), STATUS_OK);
	HEARS(&c, SENDER_OK);
	for (unsigned i = 0; i < 1000; i++)
		HEARS(&c, RCPT_OK);
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(it_is_offered_where_all_relays_have_it),
		IN_WORLD(its_parameters_go_to_the_relay),
		IN_WORLD(they_are_unknown_where_it_is_not_offered),
		IN_WORLD(a_thousand_recipients_with_the_longest_parameters_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
