/*
 * The envelope of one attempt on its connection (RFC 5321, 3.3 and 4.1.1, RFC
 * 2920): MAIL and RCPTs in one write, if the upstream offers PIPELINING.
 *
 * How it fails: after a refusal before the dot the upstream has nothing. The
 * connection is RSET or, in the middle of data, closed. When a connection
 * breaks, an attempt that has sent no byte of its message may go on with another
 * one, an attempt that has sent the dot is UNKNOWN, and any other has failed.
 */
#include <assert.h>
#include <stdio.h>

#include "relay/upstream/private.h"

#define PIPELINE_WINDOW 100           /* commands without a reply: enough for most messages, too few to drown a peer */
#define COMMANDS_MAXIMUM (256U << 10) /* bytes of one such window */
#define RECIPIENT_REPLY_MAXIMUM 1024  /* bytes kept of the reply to one recipient */

uint64_t upstream_dialog_step_ms(const struct upstream_attempt *u)
{
	uint64_t reply_ms = u->pool->relay->reply_timeout;
	return u->step_ms && u->step_ms < reply_ms ? u->step_ms : reply_ms;
}

/* ---- the envelope goes out */

/* The next recipient to be said on this connection, from `from` on: in a replay only the accepted ones are. */
static size_t next_rcpt(const struct upstream_attempt *u, size_t from)
{
	while (from < u->told && !u->rcpts[from].accepted)
		from++;
	return from;
}

static bool passes_dsn(const struct upstream_attempt *u)
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

static enum status write_mail(const struct upstream_attempt *u, struct buf *out)
{
	const struct upstream_features *features = &u->connection->features;
	TRY(buf_append_text(out, "MAIL FROM:<"));
	TRY(buf_append(out, u->mail_from));
	TRY(buf_append_byte(out, '>'));
	if (features->size && u->size)
		TRY(buf_printf(out, " SIZE=%llu", (unsigned long long)u->size));
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

static enum status write_rcpt(const struct upstream_attempt *u, const struct upstream_rcpt *rcpt, struct buf *out)
{
	TRY(buf_append_text(out, "RCPT TO:<"));
	TRY(buf_append(out, rcpt->address));
	TRY(buf_append_byte(out, '>'));
	if (passes_dsn(u))
		TRY(write_parameter(" ", rcpt->parameters, out));
	return buf_append_text(out, "\r\n");
}

/* As many commands as may be without a reply. */
static enum status write_window(struct upstream_attempt *u, struct buf *out)
{
	const struct upstream_features *features = &u->connection->features;
	size_t window = features->pipelining ? PIPELINE_WINDOW : 1;
	if (!u->mail_written) {
		TRY(write_mail(u, out));
		u->mail_written = true;
		u->outstanding++;
	}
	while (u->outstanding < window && (u->written = next_rcpt(u, u->written)) < u->count) {
		struct upstream_rcpt *rcpt = &u->rcpts[u->written];
		rcpt->surplus = features->rcpt_limit && u->asked >= features->rcpt_limit;
		if (!rcpt->surplus) {
			TRY(write_rcpt(u, rcpt, out));
			u->asked++;
			u->outstanding++;
		}
		u->written++;
	}
	return STATUS_OK;
}

/* Answers for the upstream. False: the attempt is over, as one of these recipients was accepted before. */
static bool answer_surplus(struct upstream_attempt *u)
{
	static const struct reply too_many = { .code = 452,
					       .enhanced = { "4.5.3", 5 },
					       .text = { "Too many recipients", 19 } };
	while (u->answered < u->written && u->rcpts[u->answered].surplus) {
		struct upstream_rcpt *rcpt = &u->rcpts[u->answered];
		if (u->answered < u->told) {
			upstream_dialog_refuse(u, UPSTREAM_TRANSPORT,
					       "it takes fewer recipients than were accepted before", &too_many);
			return false;
		}
		rcpt->reply = SPAN("452 4.5.3 Too many recipients");
		rcpt->accepted = false;
		u->answered = next_rcpt(u, u->answered + 1);
	}
	return true;
}

static void finish_envelope(struct upstream_attempt *u);

void upstream_dialog_write_commands(struct upstream_attempt *u)
{
	struct buf out BUF_AUTO;
	buf_init(&out, COMMANDS_MAXIMUM);
	if (write_window(u, &out) != STATUS_OK) {
		upstream_connection_lost(u->connection, "out of memory");
		return;
	}
	if (buf_size(&out) && !upstream_connection_say(u->connection, buf_span(&out), upstream_dialog_step_ms(u)))
		return;
	if (answer_surplus(u) && u->outstanding == 0 && u->answered == u->count)
		finish_envelope(u); /* all the new ones are surplus */
}

/* True if the upstream lacks what the message needs. Nothing was said yet, so the connection is good for others. */
static bool refuse_unable(struct upstream_attempt *u, const struct upstream_features *features)
{
	const struct reply not_utf8 = { .code = 553,
					.enhanced = SPAN("5.6.7"),
					.text = SPAN("The relay for this message does not offer SMTPUTF8") };
	const struct reply too_large = { .code = 552,
					 .enhanced = SPAN("5.3.4"),
					 .text = SPAN("Message too large for the relay") };
	if (u->smtputf8 && !features->smtputf8)
		upstream_finish(u, UPSTREAM_UNABLE, &not_utf8, "it does not offer SMTPUTF8");
	else if (features->size_limit && u->size > features->size_limit)
		upstream_finish(u, UPSTREAM_UNABLE, &too_large, "larger than the SIZE it offers");
	return u->state == UPSTREAM_OVER;
}

void upstream_dialog_begin(struct upstream_attempt *u, struct upstream_connection *c)
{
	uint64_t now = loop_now_ms(u->pool->loop);
	if (stream_fetch_noticed(c->stream)) {
		upstream_connection_close(c); /* a reply, or part of one, that nothing asked for */
		return;
	}
	if (refuse_unable(u, &c->features))
		return;
	upstream_queue_leave(u);
	u->state = UPSTREAM_ENVELOPE;
	u->is_told_apart = true;
	timer_set(u->timer, u->until_ms > now ? u->until_ms - now : 1);
	u->asked_ms = now;
	u->connection = c;
	c->attempt = u;
	upstream_share_take(u);
	upstream_connection_set_state(c, CONNECTION_BUSY);
	upstream_dialog_write_commands(u);
}

/* ---- refusals */

void upstream_dialog_refuse(struct upstream_attempt *u, enum upstream_class class, const char *what,
			    const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct upstream_connection *c = u->connection;
	size_t outstanding = u->outstanding;
	upstream_describe(reason, what, reply);
	upstream_finish(u, class, reply, reason);
	/*
	 * 421: the upstream closes too (RFC 5321, 3.8). A connection that isn't logged in, or is one too many, is of no
	 * use to the next attempt either. But if a recipient's server may have said so, we keep it: otherwise each such
	 * recipient would cost a login.
	 */
	bool is_useless = u->verdict.may_back_off && (reply->code == 432 || class == UPSTREAM_LOGIN);
	if (reply->code == 421 || is_useless)
		upstream_connection_close(c);
	else
		upstream_connection_reset(c, outstanding);
}

void upstream_dialog_give_up(struct upstream_attempt *u, enum upstream_class class, const char *what,
			     const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct upstream_connection *c = u->connection;
	upstream_describe(reason, what, reply);
	upstream_finish(u, class, reply, reason);
	upstream_connection_close(c);
}

/* ---- the envelope's replies */

static void finish_envelope(struct upstream_attempt *u)
{
	u->state = UPSTREAM_OPEN;
	u->silent_since_ms = loop_now_ms(u->pool->loop);
	timer_clear(u->timer);
	stream_set_deadline(u->connection->stream, 0);
	if (u->told < u->answered) {
		u->tell_replies = true;
		upstream_is_due(u);
	}
	if (u->message && !upstream_connection_lose_if_ahead(u->connection))
		upstream_transfer_send(u);
}

static bool is_farewell(const struct reply *reply)
{
	return reply->code == 421 || span_equal(reply->enhanced, SPAN("4.4.2"));
}

static void on_mail_reply(struct upstream_attempt *u, const struct reply *reply)
{
	u->mail_answered = true;
	u->is_told_apart &= span_equal(reply->enhanced, SPAN("2.1.0"));
	if (reply->code / 100 == 2)
		return;
	if (is_farewell(reply) && u->connection->transactions && u->replaced < REPLACED_MAXIMUM)
		upstream_connection_lost(u->connection, "had been idle for too long");
	else if (reply->code / 100 == 3)
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "reply out of step to MAIL", reply);
	else
		upstream_dialog_refuse(u, upstream_judge(u, STAGE_MAIL, NULL, reply), "MAIL refused", reply);
}

static enum status keep_reply(struct upstream_attempt *u, struct upstream_rcpt *rcpt, const struct reply *reply)
{
	struct buf text BUF_AUTO;
	struct reply shortened = *reply;
	buf_init(&text, REPLY_SIZE_MAXIMUM);
	shortened.text = span_slice(reply->text, 0, RECIPIENT_REPLY_MAXIMUM);
	TRY(reply_write(&text, &shortened));
	return arena_copy(&u->arena, buf_span(&text), &rcpt->reply);
}

static void on_rcpt_reply(struct upstream_attempt *u, const struct reply *reply)
{
	size_t index = next_rcpt(u, u->answered);
	assert(index < u->written);
	struct upstream_rcpt *rcpt = &u->rcpts[index];
	bool accepted = reply->code / 100 == 2;
	enum upstream_class class = accepted ? UPSTREAM_ACCEPTED : upstream_judge(u, STAGE_RCPT, rcpt, reply);
	u->answered = index + 1;
	u->is_told_apart &= span_equal(reply->enhanced, SPAN("2.1.5"));
	if (reply->code / 100 == 3)
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "reply out of step to RCPT", reply);
	else if (!accepted && class != UPSTREAM_RECIPIENTS)
		upstream_dialog_refuse(u, class, "RCPT refused", reply);
	else if (!accepted && index < u->told)
		upstream_dialog_refuse(u, UPSTREAM_TRANSPORT, "a recipient accepted before is refused now", reply);
	else if (index >= u->told && keep_reply(u, rcpt, reply) != STATUS_OK)
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "out of memory", reply);
	else
		rcpt->accepted = accepted;
}

/* After each reply: ends the envelope, or writes more of it. */
static void continue_envelope(struct upstream_attempt *u)
{
	u->answered = next_rcpt(u, u->answered);
	if (!answer_surplus(u))
		return;
	if (u->answered == u->count)
		finish_envelope(u);
	else if (u->outstanding || !upstream_connection_lose_if_ahead(u->connection))
		upstream_dialog_write_commands(u);
}

static void on_envelope_reply(struct upstream_attempt *u, const struct reply *reply)
{
	if (u->outstanding == 0) {
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "reply out of step", reply);
		return;
	}
	u->outstanding--;
	if (u->mail_answered)
		on_rcpt_reply(u, reply);
	else
		on_mail_reply(u, reply);
	if (u->state != UPSTREAM_ENVELOPE)
		return;
	stream_set_deadline(u->connection->stream, upstream_dialog_step_ms(u));
	continue_envelope(u);
}

/* ---- what the connection tells */

void upstream_dialog_on_reply(struct upstream_attempt *u, const struct reply *reply)
{
	switch (u->state) {
	case UPSTREAM_ENVELOPE:
		on_envelope_reply(u, reply);
		return;
	case UPSTREAM_OPEN:
		upstream_connection_lost(u->connection, "it spoke unasked");
		return;
	case UPSTREAM_DATA:
	case UPSTREAM_BODY:
	case UPSTREAM_HELD:
	case UPSTREAM_DOT:
		upstream_transfer_on_reply(u, reply);
		return;
	case UPSTREAM_WAITING:
	case UPSTREAM_PARKED:
	case UPSTREAM_OVER:
		break;
	}
	assert(!"an attempt without a connection hears no replies");
}

void upstream_dialog_on_lost(struct upstream_attempt *u, const char *reason)
{
	enum upstream_state state = u->state;
	bool was_kept = u->connection->transactions > 0;
	char text[UPSTREAM_REASON_SIZE];
	upstream_leave_connection(u);
	bool is_before_data = state == UPSTREAM_ENVELOPE || state == UPSTREAM_OPEN || state == UPSTREAM_DATA;
	if (state == UPSTREAM_OPEN && u->message == NULL) {
		u->state = UPSTREAM_PARKED;
		return;
	}
	if (is_before_data && was_kept && u->replaced < REPLACED_MAXIMUM) {
		u->replaced++;
		upstream_pool_distrust_idle(u->pool);
		upstream_wait(u, true);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s", u->host, reason);
	upstream_backoff_on_silence(u, text);
	upstream_finish(u, state == UPSTREAM_DOT ? UPSTREAM_UNKNOWN : UPSTREAM_TRANSPORT, NULL, text);
}
