/*
 * The dialog of one attempt on its connection (RFC 5321, 3.3 and 4.1.1, RFC
 * 2920): MAIL and RCPTs in one write where the relay takes pipelined commands,
 * DATA, the body from the spool in step with what the relay takes, and the dot.
 *
 * How it fails: a refusal before the dot leaves the relay nothing, and the
 * connection is RSET, or closed where it is in the midst of data. When it
 * breaks, an attempt that sent no byte of its message may go on elsewhere, one
 * with the dot out is UNKNOWN, and any other is over for certain.
 */
#include <assert.h>
#include <stdio.h>

#include "relay/upstream_private.h"

#define PIPELINE_WINDOW 100           /* commands without reply: enough for most messages, and no peer drowns in them */
#define COMMANDS_MAXIMUM (256U << 10) /* bytes of one such window */
#define RECIPIENT_REPLY_MAXIMUM 1024  /* bytes kept of the reply to one recipient */
#define BODY_BACKLOG (64U << 10)      /* bytes: less is with the stream, then the next piece is read */

/* How long one step of the dialog may take. */
static uint64_t step_ms(const struct upstream *u)
{
	uint64_t reply_ms = u->pool->relay->reply_timeout;
	return u->step_ms && u->step_ms < reply_ms ? u->step_ms : reply_ms;
}

/* ---- the envelope goes out */

/* The next recipient that this connection has to hear of, from `from` on: in a replay only those who were accepted. */
static size_t next_rcpt(const struct upstream *u, size_t from)
{
	while (from < u->told && !u->rcpts[from].accepted)
		from++;
	return from;
}

static uint64_t size_of(const struct upstream *u)
{
	return u->message ? spool_size(u->message) : u->size;
}

static bool passes_dsn(const struct upstream *u)
{
	return u->pool->relay->dsn && u->connection->features.dsn;
}

static enum status write_parameter(const char *keyword, struct span value, struct buf *out)
{
	if (span_is_empty(value))
		return STATUS_OK;
	TRY(buf_append_text(out, keyword));
	return buf_append(out, value);
}

static enum status write_mail(const struct upstream *u, struct buf *out)
{
	const struct upstream_features *features = &u->connection->features;
	TRY(buf_append_text(out, "MAIL FROM:<"));
	TRY(buf_append(out, u->mail_from));
	TRY(buf_append_byte(out, '>'));
	if (features->size && size_of(u))
		TRY(buf_printf(out, " SIZE=%llu", (unsigned long long)size_of(u)));
	if (features->eight_bit && u->eight_bit)
		TRY(buf_append_text(out, " BODY=8BITMIME"));
	if (u->smtputf8)
		TRY(buf_append_text(out, " SMTPUTF8"));
	if (passes_dsn(u)) {
		TRY(write_parameter(" RET=", u->ret, out));
		TRY(write_parameter(" ENVID=", u->envid, out));
	}
	return buf_append_text(out, "\r\n");
}

static enum status write_rcpt(const struct upstream *u, const struct upstream_rcpt *rcpt, struct buf *out)
{
	TRY(buf_append_text(out, "RCPT TO:<"));
	TRY(buf_append(out, rcpt->address));
	TRY(buf_append_byte(out, '>'));
	if (passes_dsn(u))
		TRY(write_parameter(" ", rcpt->parameters, out));
	return buf_append_text(out, "\r\n");
}

/* As many commands as the relay may have unanswered. */
static enum status write_window(struct upstream *u, struct buf *out)
{
	size_t window = u->connection->features.pipelining ? PIPELINE_WINDOW : 1;
	if (!u->mail_written) {
		TRY(write_mail(u, out));
		u->mail_written = true;
		u->outstanding++;
	}
	while (u->outstanding < window && (u->written = next_rcpt(u, u->written)) < u->count) {
		TRY(write_rcpt(u, &u->rcpts[u->written], out));
		u->written++;
		u->outstanding++;
	}
	return STATUS_OK;
}

void upstream_dialog_write_commands(struct upstream *u)
{
	BUF_AUTO struct buf out;
	buf_init(&out, COMMANDS_MAXIMUM);
	if (write_window(u, &out) != STATUS_OK)
		upstream_connection_lost(u->connection, "out of memory");
	else if (buf_size(&out))
		(void)upstream_connection_say(u->connection, buf_span(&out), step_ms(u));
}

/* Nothing was said, so the connection is good for others. */
static void refuse_unable(struct upstream *u)
{
	const struct reply reply = { .code = 553,
				     .enhanced = SPAN("5.6.7"),
				     .text = SPAN("The relay for this message does not offer SMTPUTF8") };
	upstream_finish(u, UPSTREAM_UNABLE, &reply, "it does not offer SMTPUTF8");
}

void upstream_dialog_begin(struct upstream *u, struct upstream_connection *c)
{
	uint64_t now = loop_now_ms(u->pool->loop);
	if (buf_size(stream_input(c->stream))) {
		upstream_connection_close(c); /* half a reply that nothing was asked for */
		return;
	}
	if (u->smtputf8 && !c->features.smtputf8) {
		refuse_unable(u);
		return;
	}
	upstream_queue_leave(u);
	u->state = UPSTREAM_ENVELOPE;
	timer_set(u->timer, u->until_ms > now ? u->until_ms - now : 1);
	u->connection = c;
	c->attempt = u;
	upstream_connection_set_state(c, CONNECTION_BUSY);
	upstream_dialog_write_commands(u);
}

/* ---- refusals */

/* Over for certain, in front of the message: the connection is good for the next one. */
static void refuse(struct upstream *u, enum upstream_class class, const char *what, const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct upstream_connection *c = u->connection;
	size_t outstanding = u->outstanding;
	upstream_describe(reason, what, reply);
	upstream_finish(u, class, reply, reason);
	/* 421: it closes too, RFC 5321, 3.8. What is not logged in, or one too many, is of no use to the next either. */
	if (reply->code == 421 || reply->code == 432 || class == UPSTREAM_LOGIN)
		upstream_connection_close(c);
	else
		upstream_connection_reset(c, outstanding);
}

/* Over, and the two sides may not agree on where they are. */
static void give_up(struct upstream *u, enum upstream_class class, const char *what, const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct upstream_connection *c = u->connection;
	upstream_describe(reason, what, reply);
	upstream_finish(u, class, reply, reason);
	upstream_connection_close(c);
}

/* ---- the envelope's replies */

static void finish_envelope(struct upstream *u)
{
	u->state = UPSTREAM_OPEN;
	u->silent_since_ms = loop_now_ms(u->pool->loop);
	timer_clear(u->timer);
	stream_set_deadline(u->connection->stream, 0);
	if (u->told < u->answered) {
		u->tell_replies = true;
		upstream_is_due(u);
	}
	if (u->message)
		upstream_dialog_send(u);
}

static bool is_farewell(const struct reply *reply)
{
	return reply->code == 421 || span_equal(reply->enhanced, SPAN("4.4.2"));
}

static void on_mail_reply(struct upstream *u, const struct reply *reply)
{
	u->mail_answered = true;
	if (reply->code / 100 == 2)
		return;
	if (is_farewell(reply) && u->connection->transactions && !u->replaced)
		upstream_connection_lost(u->connection, "had been idle for too long");
	else if (reply->code / 100 == 3)
		give_up(u, UPSTREAM_TRANSPORT, "reply out of step to MAIL", reply);
	else
		refuse(u, upstream_classify(u->pool->profile, STAGE_MAIL, reply), "MAIL refused", reply);
}

static enum status keep_reply(struct upstream *u, struct upstream_rcpt *rcpt, const struct reply *reply)
{
	BUF_AUTO struct buf text;
	struct reply shortened = *reply;
	buf_init(&text, REPLY_SIZE_MAXIMUM);
	shortened.text = span_slice(reply->text, 0, RECIPIENT_REPLY_MAXIMUM);
	TRY(reply_write(&text, &shortened));
	return arena_copy(&u->arena, buf_span(&text), &rcpt->reply);
}

static void on_rcpt_reply(struct upstream *u, const struct reply *reply)
{
	size_t index = next_rcpt(u, u->answered);
	assert(index < u->written);
	struct upstream_rcpt *rcpt = &u->rcpts[index];
	bool accepted = reply->code / 100 == 2;
	enum upstream_class class =
		accepted ? UPSTREAM_ACCEPTED : upstream_classify(u->pool->profile, STAGE_RCPT, reply);
	u->answered = index + 1;
	if (reply->code / 100 == 3)
		give_up(u, UPSTREAM_TRANSPORT, "reply out of step to RCPT", reply);
	else if (!accepted && class != UPSTREAM_RECIPIENTS)
		refuse(u, class, "RCPT refused", reply);
	else if (!accepted && index < u->told)
		refuse(u, UPSTREAM_TRANSPORT, "a recipient accepted before is refused now", reply);
	else if (index >= u->told && keep_reply(u, rcpt, reply) != STATUS_OK)
		give_up(u, UPSTREAM_TRANSPORT, "out of memory", reply);
	else
		rcpt->accepted = accepted;
}

static void on_envelope_reply(struct upstream *u, const struct reply *reply)
{
	if (u->outstanding == 0) {
		give_up(u, UPSTREAM_TRANSPORT, "reply out of step", reply);
		return;
	}
	u->outstanding--;
	if (u->mail_answered)
		on_rcpt_reply(u, reply);
	else
		on_mail_reply(u, reply);
	if (u->state != UPSTREAM_ENVELOPE)
		return;
	u->answered = next_rcpt(u, u->answered);
	if (u->answered == u->count) {
		finish_envelope(u);
		return;
	}
	stream_set_deadline(u->connection->stream, step_ms(u));
	upstream_dialog_write_commands(u);
}

/* ---- the message */

void upstream_dialog_send(struct upstream *u)
{
	assert(u->state == UPSTREAM_OPEN);
	u->state = UPSTREAM_DATA;
	(void)upstream_connection_say(u->connection, SPAN("DATA\r\n"), step_ms(u));
}

static void read_next(struct upstream *u);

static void on_read(void *context, enum status status, struct span bytes)
{
	struct upstream *u = context;
	u->reading = false;
	if (status == STATUS_END) {
		u->state = UPSTREAM_HELD;
		u->tell_held = true;
		stream_set_deadline(u->connection->stream, 0);
		upstream_is_due(u);
	} else if (status != STATUS_OK) {
		give_up(u, UPSTREAM_TRANSPORT, "the spool can't be read", NULL);
	} else if (upstream_connection_say(u->connection, bytes, step_ms(u))) {
		u->offset += bytes.size;
		if (stream_backlog(u->connection->stream) < BODY_BACKLOG)
			read_next(u);
		else
			stream_want_drained(u->connection->stream);
	}
}

/* The pool's turn goes ahead of the stream's: a dot released in it leaves with the body's last bytes. */
static void read_next(struct upstream *u)
{
	upstream_pool_wake(u->pool);
	u->reading = true;
	spool_read(u->message, u->offset, on_read, u);
}

void upstream_dialog_on_drained(struct upstream *u)
{
	if (u->state == UPSTREAM_BODY && !u->reading)
		read_next(u);
}

static void on_data_reply(struct upstream *u, const struct reply *reply)
{
	if (reply->code == 354) {
		u->state = UPSTREAM_BODY;
		u->offset = 0;
		read_next(u);
	} else if (reply->code / 100 < 4) {
		give_up(u, UPSTREAM_TRANSPORT, "reply out of step to DATA", reply);
	} else {
		refuse(u, upstream_classify(u->pool->profile, STAGE_DATA, reply), "DATA refused", reply);
	}
}

/* Without its dot no message is whole: whatever this says, the relay does not have it. */
static void on_early_reply(struct upstream *u, const struct reply *reply)
{
	if (reply->code / 100 < 4)
		give_up(u, UPSTREAM_TRANSPORT, "reply out of step within the message", reply);
	else
		give_up(u, upstream_classify(u->pool->profile, STAGE_DOT, reply), "message refused before its end",
			reply);
}

void upstream_dialog_release(struct upstream *u, uint64_t limit_ms)
{
	uint64_t reply_ms = u->pool->relay->reply_timeout;
	struct stream *stream = u->connection->stream;
	if (stream_write(stream, SPAN(".\r\n")) != STATUS_OK) {
		give_up(u, UPSTREAM_TRANSPORT, "the final dot could not be written", NULL);
		return;
	}
	u->state = UPSTREAM_DOT;
	u->dot_released = true;
	stream_set_deadline(stream, limit_ms < reply_ms ? limit_ms : reply_ms);
}

static void on_dot_reply(struct upstream *u, const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct upstream_connection *c = u->connection;
	unsigned series = reply->code / 100;
	if (series == 3) {
		give_up(u, UPSTREAM_UNKNOWN, "reply out of step to the final dot", reply);
		return;
	}
	upstream_describe(reason, series == 2 ? "accepted" : "message refused", reply);
	upstream_finish(u, series == 2 ? UPSTREAM_ACCEPTED : upstream_classify(u->pool->profile, STAGE_DOT, reply),
			reply, reason);
	if (reply->code == 421)
		upstream_connection_close(c);
	else
		upstream_connection_rest(c);
}

/* ---- what the connection tells */

void upstream_dialog_on_reply(struct upstream *u, const struct reply *reply)
{
	switch (u->state) {
	case UPSTREAM_ENVELOPE:
		on_envelope_reply(u, reply);
		return;
	case UPSTREAM_OPEN:
		upstream_connection_lost(u->connection, "it spoke unasked");
		return;
	case UPSTREAM_DATA:
		on_data_reply(u, reply);
		return;
	case UPSTREAM_BODY:
	case UPSTREAM_HELD:
		on_early_reply(u, reply);
		return;
	case UPSTREAM_DOT:
		on_dot_reply(u, reply);
		return;
	case UPSTREAM_WAITING:
	case UPSTREAM_PARKED:
	case UPSTREAM_OVER:
		break;
	}
	assert(!"an attempt without a connection hears no replies");
}

void upstream_dialog_on_lost(struct upstream *u, const char *reason)
{
	enum upstream_state state = u->state;
	bool was_kept = u->connection->transactions > 0;
	char text[UPSTREAM_REASON_SIZE];
	upstream_leave_connection(u);
	if (state == UPSTREAM_OPEN) {
		u->state = UPSTREAM_PARKED;
		return;
	}
	if ((state == UPSTREAM_ENVELOPE || state == UPSTREAM_DATA) && was_kept && !u->replaced) {
		u->replaced = true;
		upstream_pool_distrust_idle(u->pool);
		upstream_wait(u, true);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s", u->host, reason);
	upstream_rest_on_silence(u->account, text);
	upstream_finish(u, state == UPSTREAM_DOT ? UPSTREAM_UNKNOWN : UPSTREAM_TRANSPORT, NULL, text);
}
