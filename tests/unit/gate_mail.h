/* What clients of gate_fixture.h say to send a message, what they hear, and what the relay got of it. */
#ifndef TESTS_UNIT_GATE_MAIL_H
#define TESTS_UNIT_GATE_MAIL_H

#include "gate_fixture.h"

#define MAIL "MAIL FROM:<alice@example.com>\r\n"
#define RCPT "RCPT TO:<bob@example.net>\r\n"
#define SENDER_OK "250 2.1.0 Sender accepted\r\n"
#define RCPT_OK "250 2.1.5 OK\r\n"
#define GO "354 Go ahead, end with a line that holds only a dot\r\n"
#define SENT "250 2.0.0 Sent as ID1\r\n"
#define HEADER \
	"From: Alice <alice@example.com>\r\nDate: Mon, 23 Nov 2026 08:15:30 +0000\r\nMessage-ID: <m1@pc.local>\r\n"

static inline void expect_message_ends_with(const char *text)
{
	struct span message = buf_span(&world.message);
	size_t size = strlen(text);
	if (message.size < size || memcmp(message.data + message.size - size, text, size) != 0)
		fail_msg("expected the message to end with \"%s\", it is \"%.*s\"", text, SPAN_ARGS(message));
}

static inline void expect_message_starts_with(const char *text)
{
	if (!span_starts_with(buf_span(&world.message), span_of(text)))
		fail_msg("expected the message to start with \"%s\", it is \"%.*s\"", text,
			 SPAN_ARGS(buf_span(&world.message)));
}

static inline bool message_holds(const char *text)
{
	struct span message = buf_span(&world.message);
	return message.size && memmem(message.data, message.size, text, strlen(text)) != NULL;
}

static inline void enter_data(struct client *c)
{
	client_say(c, MAIL RCPT "DATA\r\n");
	HEARS(c, SENDER_OK RCPT_OK GO);
}

/* Logged in, with a sender and a recipient. */
static inline void client_begins_mail(struct client *c)
{
	client_logged_in(c);
	client_say(c, MAIL RCPT);
	HEARS(c, SENDER_OK RCPT_OK);
}

/* Logged in, and in the middle of DATA. */
static inline void client_in_data(struct client *c)
{
	client_logged_in(c);
	enter_data(c);
}

/* The relay has the client's whole message, and answers only when the test does. */
static inline void client_awaits_outcome(struct client *c)
{
	client_in_data(c);
	world.relay.silent = true;
	client_say(c, HEADER "\r\nHello\r\n.\r\n");
	RUN_UNTIL(was_traced("COMPLETE"));
}

#endif
