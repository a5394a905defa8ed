/*
 * How a session speaks and listens. A reply that can't be queued ends the session: a client must never take one reply
 * for another.
 */
#include "gate/session_talk.h"

#include <stdarg.h>

#include "gate/count.h"
#include "smtp/command.h"

#define REPLY_FORMATTED_MAXIMUM 4096 /* bytes of one reply that we format */

void session_reply(struct session *s, struct span text)
{
	if (s->state == SESSION_CLOSED)
		return;
	if (replies_push(&s->replies, text) != STATUS_OK)
		session_drop(s, "replies not read");
}

void session_replyf(struct session *s, const char *format, ...)
{
	struct buf text BUF_AUTO;
	va_list args;
	buf_init(&text, REPLY_FORMATTED_MAXIMUM);
	va_start(args, format);
	enum status status = buf_vprintf(&text, format, args);
	va_end(args);
	if (status == STATUS_OK)
		session_reply(s, buf_span(&text));
	else
		session_drop(s, "reply not made");
}

void session_note_incident(struct session *s, const char *what)
{
	if (s->incident == NULL)
		s->incident = what;
	if (s->announced)
		return;
	if (refused_may_tell(&s->gate->refused))
		relay_door_session_opened(s);
	else
		s->limit = REFUSAL_SYNTAX; /* one of those that a single record stands for */
}

void session_count_error(struct session *s)
{
	if (++s->errors >= s->gate->config->limits.errors)
		session_reach_limit(s, REFUSAL_ERRORS, SPAN("421 4.7.0 Too many errors, closing the connection"),
				    "too many errors");
}

void session_refuse(struct session *s, struct span text)
{
	session_reply(s, text);
	session_count_error(s);
}

void session_farewell(struct session *s, struct span text, const char *reason)
{
	if (s->state == SESSION_CLOSED)
		return;
	if (replies_fill_all(&s->replies, SPAN("451 4.3.0 The connection is being closed, please try again")) !=
	    STATUS_OK) {
		session_drop(s, "replies not read");
		return;
	}
	session_reply(s, text);
	if (s->state == SESSION_CLOSED)
		return;
	s->finish = true;
	s->close_reason = reason;
	session_set_state(s, SESSION_CLOSED);
}

void session_reach_limit(struct session *s, enum stats_refusal limit, struct span text, const char *reason)
{
	if (s->state == SESSION_CLOSED)
		return;
	count_refused(s->gate, limit);
	s->limit = limit;
	if (span_is_empty(text))
		session_drop(s, reason);
	else
		session_farewell(s, text, reason);
}

void session_end_abuse(struct session *s, struct span text, const char *what)
{
	count_refused(s->gate, REFUSAL_SYNTAX);
	session_note_incident(s, what);
	if (span_is_empty(text))
		session_drop(s, what);
	else
		session_farewell(s, text, what);
}

/* Drops the rest of an overlong line; false until its end has come. */
static bool skip_line(struct session *s, struct buf *input)
{
	struct span bytes = buf_span(input);
	size_t end = span_find_byte(bytes, '\n');
	buf_consume(input, end < bytes.size ? end + 1 : bytes.size);
	s->skips_line = end == bytes.size;
	return !s->skips_line;
}

enum status session_take_line(struct session *s, size_t maximum, struct span *out_line, size_t *out_used)
{
	struct buf *input = stream_input(s->stream);
	size_t used = 0;
	if (s->skips_line && !skip_line(s, input))
		return STATUS_AGAIN;
	enum status status = command_take_line(buf_span(input), maximum, out_line, &used);
	if (status == STATUS_AGAIN)
		return status;
	s->commands++;
	*out_used = used;
	return status;
}

void session_refuse_line(struct session *s, enum status fault, size_t used)
{
	count_refused(s->gate, REFUSAL_SYNTAX);
	if (fault == STATUS_TOO_LARGE) {
		s->skips_line = true;
		session_refuse(s, SPAN("500 5.5.6 Line too long"));
	} else {
		buf_consume(stream_input(s->stream), used);
		session_refuse(s, SPAN("500 5.5.2 Line with a NUL or a stray carriage return"));
	}
}
