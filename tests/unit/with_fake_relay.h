/*
 * For tests of the upstream side: an upstream in the same loop that does as it
 * is told. It answers each command by the first rule that fits, or as a friendly
 * server would, and keeps a record of all that it heard.
 */
#ifndef TESTS_WITH_FAKE_RELAY_H
#define TESTS_WITH_FAKE_RELAY_H

#include "with_loop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/stream.h"

#define RULES 16
#define CALLERS 32
#define RECORD_SIZE (8U << 20) /* bytes */
#define HANG_UP "!"            /* at the end of a reply: then it closes the connection */

/*
 * `command`: how the line begins; also "GREETING", "BODY" (the first piece of
 * it), "." (the final dot), "CHUNK" (the end of a BDAT's octets), and "AUTH-STEP" (a line within AUTH).
 */
struct rule {
	const char *command;
	const char *reply; /* as it goes to the wire; "" says nothing */
	unsigned times;    /* it still counts; 0: for ever */
	bool spent;
};

struct fake_relay;

struct caller {
	struct fake_relay *relay;
	struct stream *stream;
	bool in_data, in_auth, body_seen;
	size_t chunk_left; /* octets of a BDAT that are still to come */
};

struct fake_relay {
	struct loop *loop;
	struct listener *listener;
	uint16_t port;
	struct tls_context *tls;
	bool is_implicit;
	const char *features; /* what EHLO answers after the name, on the wire: "250-SIZE\r\n250 HELP\r\n" */
	struct rule rules[RULES];
	struct caller callers[CALLERS];

	unsigned connected;  /* connections so far */
	unsigned dots;       /* messages whose final dot came */
	unsigned chunks;     /* messages that came as one chunk */
	size_t most_at_once; /* commands that came in one piece, at most */
	size_t body_pieces;  /* in which bodies came */
	struct buf record;   /* commands, a line each */
	struct buf body;     /* all bytes of bodies, dots included */
};

static inline void fake_relay_rule(struct fake_relay *relay, const char *command, const char *reply, unsigned times)
{
	for (unsigned i = 0; i < RULES; i++) {
		if (relay->rules[i].command == NULL) {
			relay->rules[i] = (struct rule){ .command = command, .reply = reply, .times = times };
			return;
		}
	}
	fail_msg("too many rules");
}

static inline void fake_relay_forget_rules(struct fake_relay *relay)
{
	memset(relay->rules, 0, sizeof(relay->rules));
}

static inline const char *fake_relay_find(struct fake_relay *relay, struct span line, const char *usual)
{
	for (unsigned i = 0; i < RULES && relay->rules[i].command; i++) {
		struct rule *rule = &relay->rules[i];
		if (rule->spent || !span_starts_with(line, span_of(rule->command)))
			continue;
		if (rule->times && --rule->times == 0)
			rule->spent = true;
		return rule->reply;
	}
	return usual;
}

static inline void fake_relay_hang_up(struct caller *caller)
{
	stream_finish(&caller->stream, 1000);
}

static inline void fake_relay_say(struct caller *caller, const char *reply)
{
	struct span text = span_of(reply);
	bool hangs_up = span_ends_with_nocase(text, SPAN(HANG_UP));
	text.size -= hangs_up;
	assert_int_equal(stream_write(caller->stream, text), STATUS_OK);
	if (hangs_up)
		fake_relay_hang_up(caller);
}

static inline void fake_relay_answer(struct caller *caller, struct span line, const char *usual)
{
	fake_relay_say(caller, fake_relay_find(caller->relay, line, usual));
}

static inline void fake_relay_start_tls(struct caller *caller, struct span line)
{
	const char *reply = fake_relay_find(caller->relay, line, "220 2.0.0 go\r\n");
	fake_relay_say(caller, reply);
	if (strcmp(reply, "220 2.0.0 go\r\n") == 0)
		assert_int_equal(stream_secure_server(caller->stream, caller->relay->tls), STATUS_OK);
}

static inline void fake_relay_on_command(struct caller *caller, struct span line)
{
	struct fake_relay *relay = caller->relay;
	assert_int_equal(buf_append(&relay->record, line), STATUS_OK);
	assert_int_equal(buf_append_byte(&relay->record, '\n'), STATUS_OK);
	if (caller->in_auth) {
		const char *reply = fake_relay_find(relay, SPAN("AUTH-STEP"), "235 2.7.0 welcome\r\n");
		caller->in_auth = strncmp(reply, "334", 3) == 0;
		fake_relay_say(caller, reply);
	} else if (span_starts_with(line, SPAN("EHLO"))) {
		const char *reply = fake_relay_find(relay, line, NULL);
		fake_relay_say(caller, reply ? reply : "250-fake\r\n");
		if (reply == NULL)
			fake_relay_say(caller, relay->features);
	} else if (span_starts_with(line, SPAN("STARTTLS"))) {
		fake_relay_start_tls(caller, line);
	} else if (span_starts_with(line, SPAN("AUTH"))) {
		const char *reply = fake_relay_find(relay, line, "235 2.7.0 welcome\r\n");
		caller->in_auth = strncmp(reply, "334", 3) == 0;
		fake_relay_say(caller, reply);
	} else if (span_starts_with(line, SPAN("DATA"))) {
		const char *reply = fake_relay_find(relay, line, "354 go\r\n");
		caller->in_data = strncmp(reply, "354", 3) == 0;
		caller->body_seen = false;
		fake_relay_say(caller, reply);
	} else if (span_starts_with(line, SPAN("BDAT "))) {
		assert_true(span_ends_with_nocase(line, SPAN(" LAST")));
		caller->chunk_left = strtoul(line.data + 5, NULL, 10);
	} else if (span_starts_with(line, SPAN("QUIT"))) {
		fake_relay_answer(caller, line, "221 2.0.0 bye\r\n" HANG_UP);
	} else if (span_starts_with(line, SPAN("MAIL"))) {
		fake_relay_answer(caller, line, "250 2.1.0 fine\r\n");
	} else if (span_starts_with(line, SPAN("RCPT"))) {
		fake_relay_answer(caller, line, "250 2.1.5 fine\r\n");
	} else {
		fake_relay_answer(caller, line, "250 2.0.0 fine\r\n");
	}
}

/* One line of a body, its CRLF included. */
static inline void fake_relay_on_body(struct caller *caller, struct span line)
{
	struct fake_relay *relay = caller->relay;
	assert_int_equal(buf_append(&relay->body, line), STATUS_OK);
	if (span_equal(line, SPAN(".\r\n"))) {
		relay->dots++;
		caller->in_data = false;
		fake_relay_answer(caller, SPAN("."), "250 2.0.0 queued as 1\r\n");
	} else if (!caller->body_seen) {
		caller->body_seen = true;
		fake_relay_answer(caller, SPAN("BODY"), "");
	}
}

static inline void fake_relay_on_chunk(struct caller *caller, struct buf *input)
{
	struct span octets = span_slice(buf_span(input), 0, caller->chunk_left);
	assert_int_equal(buf_append(&caller->relay->body, octets), STATUS_OK);
	caller->chunk_left -= octets.size;
	buf_consume(input, octets.size);
	if (caller->chunk_left)
		return;
	caller->relay->chunks++;
	fake_relay_answer(caller, SPAN("CHUNK"), "250 2.0.0 queued as 1\r\n");
}

static inline void fake_relay_read(struct caller *caller)
{
	size_t commands = 0;
	caller->relay->body_pieces += caller->in_data;
	while (caller->stream && buf_size(stream_input(caller->stream))) {
		struct buf *input = stream_input(caller->stream);
		struct span bytes = buf_span(input);
		if (caller->chunk_left) {
			fake_relay_on_chunk(caller, input);
			continue;
		}
		size_t end = span_find_byte(bytes, '\n');
		if (end == bytes.size)
			break;
		char *line = malloc(end + 1);
		memcpy(line, bytes.data, end + 1);
		buf_consume(input, end + 1);
		if (caller->in_data) {
			fake_relay_on_body(caller, (struct span){ line, end + 1 });
		} else {
			fake_relay_on_command(caller, (struct span){ line, end - 1 });
			commands++;
		}
		free(line);
	}
	if (commands > caller->relay->most_at_once)
		caller->relay->most_at_once = commands;
}

static inline void fake_relay_on_event(void *context, struct stream *stream, enum stream_event event)
{
	struct caller *caller = context;
	(void)stream;
	if (event == STREAM_SECURED && caller->relay->is_implicit)
		fake_relay_answer(caller, SPAN("GREETING"), "220 fake ready\r\n");
	else if (event == STREAM_INPUT)
		fake_relay_read(caller);
	else if (event == STREAM_ENDED || event == STREAM_FAILED)
		stream_free(&caller->stream);
}

static inline void fake_relay_on_accepted(void *context, int fd, const struct endpoint *peer)
{
	struct fake_relay *relay = context;
	struct caller *caller = relay->callers;
	(void)peer;
	while (caller->stream && caller < relay->callers + CALLERS)
		caller++;
	assert_true(caller < relay->callers + CALLERS);
	relay->connected++;
	*caller = (struct caller){ .relay = relay };
	struct stream_options options = { .input_maximum = 1U << 20,
					  .output_maximum = 1U << 20,
					  .on_event = fake_relay_on_event,
					  .context = caller };
	assert_int_equal(stream_create(relay->loop, fd, &options, &caller->stream), STATUS_OK);
	if (relay->is_implicit)
		assert_int_equal(stream_secure_server(caller->stream, relay->tls), STATUS_OK);
	else
		fake_relay_answer(caller, SPAN("GREETING"), "220 fake ready\r\n");
}

/* `port` 0: any that is free. */
static inline void fake_relay_listen(struct fake_relay *relay, uint16_t port)
{
	char text[ENDPOINT_TEXT_SIZE];
	struct endpoint endpoint;
	int fd = -1;
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	assert_int_equal(endpoint_parse(span_of(text), &endpoint), STATUS_OK);
	assert_int_equal(listener_open_socket(&endpoint, &fd), STATUS_OK);
	endpoint.size = sizeof(endpoint.storage);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&endpoint.storage, &endpoint.size), 0);
	relay->port = endpoint_port(&endpoint);
	assert_int_equal(listener_create(relay->loop, fd, fake_relay_on_accepted, relay, &relay->listener), STATUS_OK);
}

static inline void fake_relay_begin(struct fake_relay *relay, struct loop *loop)
{
	*relay = (struct fake_relay){ .loop = loop,
				      .features = "250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n"
						  "250 AUTH PLAIN LOGIN\r\n" };
	buf_init(&relay->record, RECORD_SIZE);
	buf_init(&relay->body, RECORD_SIZE);
	fake_relay_listen(relay, 0);
}

/* Cuts all its connections, as a crash would. */
static inline void fake_relay_cut(struct fake_relay *relay)
{
	for (unsigned i = 0; i < CALLERS; i++)
		stream_free(&relay->callers[i].stream);
}

static inline void fake_relay_end(struct fake_relay *relay)
{
	fake_relay_cut(relay);
	listener_free(&relay->listener);
	tls_context_free(&relay->tls);
	buf_free(&relay->record);
	buf_free(&relay->body);
}

static inline unsigned fake_relay_heard(const struct fake_relay *relay, const char *command)
{
	unsigned count = 0;
	struct span line, rest = buf_span(&relay->record);
	while (span_cut(&rest, '\n', &line))
		count += span_starts_with(line, span_of(command));
	return count;
}

#endif
