/*
 * An attempt, as its owner calls it: what it carries, its wait for a
 * connection, its outcome, and the calls back. It owns copies of the envelope;
 * the message belongs to its owner.
 *
 * How it fails: with an outcome, which is always told in the pool's turn.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fnv.h"
#include "relay/upstream/private.h"
#include "smtp/address.h"

#define ENVELOPE_MAXIMUM (4U << 20) /* bytes: 1,000 recipients and their replies */
/* for a free connection: after that, the next relay may have one while the client still waits */
#define WAIT_MS 25000

/* ---- outcomes */

void upstream_describe(char out_reason[UPSTREAM_REASON_SIZE], const char *what, const struct reply *reply)
{
	if (reply == NULL) {
		snprintf(out_reason, UPSTREAM_REASON_SIZE, "%s", what);
		return;
	}
	snprintf(out_reason, UPSTREAM_REASON_SIZE, "%s: %u %.*s%s%.*s", what, reply->code, SPAN_ARGS(reply->enhanced),
		 span_is_empty(reply->enhanced) ? "" : " ", SPAN_ARGS(reply->text));
	for (char *c = out_reason; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	}
}

void upstream_is_due(struct upstream_attempt *u)
{
	if (!u->is_due)
		TAILQ_INSERT_TAIL(&u->pool->due, u, in_due);
	u->is_due = true;
	upstream_pool_wake(u->pool);
}

void upstream_leave_connection(struct upstream_attempt *u)
{
	struct upstream_connection *c = u->connection;
	if (c == NULL)
		return;
	snprintf(u->host, sizeof(u->host), "%s", c->host);
	c->attempt = NULL;
	upstream_share_give(u);
	c->transactions++;
	u->connection = NULL;
	if (u->reading)
		spool_cancel_read(u->message);
	u->reading = false;
}

void upstream_finish(struct upstream_attempt *u, enum upstream_class class, const struct reply *reply,
		     const char *reason)
{
	assert(u->state != UPSTREAM_OVER);
	upstream_queue_leave(u);
	upstream_leave_connection(u);
	timer_clear(u->timer);
	u->state = UPSTREAM_OVER;
	u->class = class;
	if (reply && reply_write(&u->reply, reply) != STATUS_OK)
		buf_clear(&u->reply);
	snprintf(u->reason, sizeof(u->reason), "%s", reason);
	if (class == UPSTREAM_ACCEPTED) {
		u->pool->messages++;
		upstream_backoff_on_accepted(u->account);
	} else if (reply) {
		upstream_backoff_on_refusal(u->account, class, reply->code, &u->verdict, reason);
	}
	upstream_is_due(u);
}

/* ---- waiting */

static void on_limit(void *context)
{
	struct upstream_attempt *u = context;
	struct upstream_connection *c = u->connection;
	if (c == NULL) {
		upstream_finish(u, UPSTREAM_BUSY, NULL, "no free connection in time");
		return;
	}
	upstream_backoff_on_silence(u, "no reply to MAIL and RCPT in time");
	upstream_finish(u, UPSTREAM_TRANSPORT, NULL, "no reply to MAIL and RCPT in time");
	upstream_connection_close(c);
}

void upstream_wait(struct upstream_attempt *u, bool first_in_line)
{
	u->state = UPSTREAM_WAITING;
	u->mail_written = u->mail_answered = false;
	u->written = u->answered = u->outstanding = u->asked = 0;
	for (size_t i = 0; i < u->count; i++)
		u->rcpts[i].surplus = false;
	if (first_in_line)
		upstream_queue_enter_first(u);
	else
		upstream_queue_enter(u);
	u->until_ms = loop_now_ms(u->pool->loop) + u->limit_ms;
	timer_set(u->timer, u->limit_ms < WAIT_MS ? u->limit_ms : WAIT_MS);
	upstream_pool_wake(u->pool);
}

void upstream_park(struct upstream_attempt *u)
{
	struct upstream_connection *c = u->connection;
	upstream_leave_connection(u);
	u->state = UPSTREAM_PARKED;
	upstream_connection_reset(c, 0);
}

/* Its time runs on, although it begins again. */
void upstream_give_way(struct upstream_attempt *u)
{
	struct upstream_connection *c = u->connection;
	size_t outstanding = u->outstanding;
	uint64_t now = loop_now_ms(u->pool->loop), until_ms = u->until_ms;
	uint64_t left_ms = until_ms > now ? until_ms - now : 1;
	upstream_leave_connection(u);
	u->patience_ms *= 2;
	upstream_wait(u, false);
	u->until_ms = until_ms;
	timer_set(u->timer, left_ms < WAIT_MS ? left_ms : WAIT_MS);
	upstream_connection_reset(c, outstanding);
}

/* ---- what the owner is told */

static void tell_replies(struct upstream_attempt *u)
{
	size_t count = u->answered - u->told;
	struct span *replies = arena_alloc(&u->arena, count * sizeof(*replies));
	if (replies == NULL) {
		struct upstream_connection *c = u->connection;
		upstream_finish(u, UPSTREAM_TRANSPORT, NULL, "out of memory");
		if (c)
			upstream_connection_close(c);
		return;
	}
	for (size_t i = 0; i < count; i++)
		replies[i] = u->rcpts[u->told + i].reply;
	u->told = u->answered;
	u->silent_since_ms = loop_now_ms(u->pool->loop);
	u->handler->on_replies(u->context, replies, count);
}

static void tell_outcome(struct upstream_attempt *u)
{
	struct upstream_outcome outcome = { .class = u->class,
					    .reply = buf_span(&u->reply),
					    .reason = span_of(u->reason),
					    .dot_released = u->dot_released,
					    .host = u->host,
					    .digest = span_of(u->digest_hex) };
	u->telling_done = true;
	u->handler->on_done(u->context, &outcome);
	upstream_free(u);
}

void upstream_tell(struct upstream_attempt *u)
{
	bool replies = u->tell_replies, held = u->tell_held;
	TAILQ_REMOVE(&u->pool->due, u, in_due);
	u->is_due = false;
	u->tell_replies = u->tell_held = false;
	if (u->state == UPSTREAM_OVER)
		tell_outcome(u);
	else if (replies && u->state != UPSTREAM_WAITING && u->state != UPSTREAM_ENVELOPE)
		tell_replies(u); /* else more were added meanwhile, and all are told together */
	else if (held)
		u->handler->on_held(u->context);
}

/* ---- the envelope */

static enum status grow_recipients(struct upstream_attempt *u, size_t count)
{
	if (u->count + count <= u->capacity)
		return STATUS_OK;
	size_t capacity = 2 * u->capacity + count;
	struct upstream_rcpt *rcpts = reallocarray(u->rcpts, capacity, sizeof(*rcpts));
	if (rcpts == NULL)
		return STATUS_NO_MEMORY;
	u->rcpts = rcpts;
	u->capacity = capacity;
	return STATUS_OK;
}

/* Whoever may hold the gate: no byte from there becomes a command of ours. */
static enum status copy_rcpt(struct upstream_attempt *u, const struct upstream_recipient *recipient,
			     struct upstream_rcpt *out_rcpt)
{
	struct upstream_rcpt rcpt = { 0 };
	if (!address_is_valid(recipient->address, u->smtputf8) || !span_is_printable(recipient->parameters))
		return STATUS_INVALID;
	TRY(arena_copy(&u->arena, recipient->address, &rcpt.address));
	TRY(arena_copy(&u->arena, recipient->parameters, &rcpt.parameters));
	*out_rcpt = rcpt;
	return STATUS_OK;
}

/* All or none. */
static enum status take_recipients(struct upstream_attempt *u, const struct upstream_recipient *recipients,
				   size_t count)
{
	TRY(grow_recipients(u, count));
	for (size_t i = 0; i < count; i++)
		TRY(copy_rcpt(u, &recipients[i], &u->rcpts[u->count + i]));
	u->count += count;
	return STATUS_OK;
}

static enum status take_envelope(struct upstream_attempt *u, const struct upstream_envelope *envelope)
{
	u->eight_bit = envelope->eight_bit;
	u->smtputf8 = envelope->smtputf8;
	if (envelope->mail_from.size && !address_is_valid(envelope->mail_from, u->smtputf8))
		return STATUS_INVALID;
	if (!span_is_printable(envelope->ret) || !span_is_printable(envelope->envid))
		return STATUS_INVALID;
	TRY(arena_copy(&u->arena, envelope->ret, &u->ret));
	TRY(arena_copy(&u->arena, envelope->envid, &u->envid));
	u->size = envelope->size;
	return arena_copy(&u->arena, envelope->mail_from, &u->mail_from);
}

/* ---- its owner's calls */

static struct upstream_attempt *make_attempt(struct upstream_pool *pool, const struct upstream_envelope *envelope)
{
	struct upstream_attempt *u = calloc(1, sizeof(*u));
	if (u == NULL)
		return NULL;
	u->account = upstream_account_hold(pool, envelope->mailbox);
	u->user = fnv_hash(envelope->user); /* whose turn it is */
	u->share = upstream_share_hold(pool, u->user, !span_is_empty(envelope->user));
	u->line = u->account && u->share ? upstream_line_hold(u->share, u->account) : NULL;
	if (u->line == NULL || timer_make(pool->loop, on_limit, u, &u->timer) != STATUS_OK) {
		upstream_line_release(u->share, &u->line);
		upstream_share_release(pool, &u->share);
		upstream_account_release(&u->account);
		free(u);
		return NULL;
	}
	u->pool = pool;
	u->patience_ms = UPSTREAM_PATIENCE_MS;
	u->state = UPSTREAM_PARKED;
	arena_init(&u->arena, ENVELOPE_MAXIMUM);
	buf_init(&u->reply, REPLY_SIZE_MAXIMUM);
	buf_init(&u->gathered, SPOOL_MEMORY);
	TAILQ_INSERT_TAIL(&pool->attempts, u, in_pool);
	return u;
}

void upstream_free(struct upstream_attempt *u)
{
	upstream_queue_leave(u);
	upstream_leave_connection(u);
	if (u->is_due)
		TAILQ_REMOVE(&u->pool->due, u, in_due);
	TAILQ_REMOVE(&u->pool->attempts, u, in_pool);
	if (u->trial)
		u->trial->attempt = NULL;
	timer_free(&u->timer);
	upstream_line_release(u->share, &u->line);
	upstream_share_release(u->pool, &u->share);
	upstream_account_release(&u->account);
	arena_reset(&u->arena);
	buf_free(&u->reply);
	buf_free(&u->gathered);
	body_digest_free(&u->digest);
	free(u->rcpts);
	free(u);
}

enum status upstream_begin(struct upstream_pool *pool, const struct upstream_envelope *envelope,
			   const struct upstream_recipient *recipients, size_t count, uint64_t limit_ms,
			   const struct upstream_handler *handler, void *context, struct upstream_attempt **out_attempt)
{
	struct upstream_attempt *u = make_attempt(pool, envelope);
	if (u == NULL)
		return STATUS_NO_MEMORY;
	u->handler = handler;
	u->context = context;
	u->limit_ms = limit_ms;
	enum status status = take_envelope(u, envelope);
	if (status == STATUS_OK)
		status = take_recipients(u, recipients, count);
	if (status != STATUS_OK) {
		upstream_free(u);
		return status;
	}
	upstream_wait(u, false);
	*out_attempt = u;
	return STATUS_OK;
}

/* OPEN becomes PARKED if the upstream spoke meanwhile. */
static void leave_if_ahead(struct upstream_attempt *u)
{
	if (u->state == UPSTREAM_OPEN)
		(void)upstream_connection_lose_if_ahead(u->connection);
}

enum status upstream_add_recipients(struct upstream_attempt *u, const struct upstream_recipient *recipients,
				    size_t count)
{
	assert(u->message == NULL);
	TRY(take_recipients(u, recipients, count));
	leave_if_ahead(u);
	if (u->state == UPSTREAM_PARKED) {
		upstream_wait(u, false);
	} else if (u->state == UPSTREAM_OPEN || u->state == UPSTREAM_ENVELOPE) {
		if (u->state == UPSTREAM_OPEN)
			u->asked_ms = loop_now_ms(u->pool->loop);
		u->state = UPSTREAM_ENVELOPE;
		u->until_ms = loop_now_ms(u->pool->loop) + u->limit_ms;
		timer_set(u->timer, u->limit_ms);
		upstream_dialog_write_commands(u);
	}
	return STATUS_OK;
}

static bool has_accepted(const struct upstream_attempt *u)
{
	for (size_t i = 0; i < u->told; i++) {
		if (u->rcpts[i].accepted)
			return true;
	}
	return false;
}

void upstream_send(struct upstream_attempt *u, struct spool_message *message, uint64_t size, bool eight_bit,
		   uint64_t step_ms)
{
	assert(u->message == NULL && u->told == u->count && has_accepted(u));
	leave_if_ahead(u);
	u->message = message;
	u->size = size;
	u->has_eight_bit = eight_bit;
	u->eight_bit |= eight_bit;
	u->step_ms = u->limit_ms = step_ms ? step_ms : 1;
	if (u->state == UPSTREAM_PARKED)
		upstream_wait(u, false);
	else if (u->state == UPSTREAM_OPEN)
		upstream_transfer_send(u);
}

void upstream_release(struct upstream_attempt *u, uint64_t limit_ms)
{
	if (u->state == UPSTREAM_OVER)
		return;
	assert(u->state == UPSTREAM_HELD && !u->tell_held);
	upstream_transfer_release(u, limit_ms);
}

/* What becomes of the connection of an attempt that is given up. */
static void dispose_of_connection(struct upstream_connection *c, enum upstream_state state, size_t outstanding)
{
	if (state == UPSTREAM_ENVELOPE || state == UPSTREAM_OPEN)
		upstream_connection_reset(c, outstanding);
	else
		upstream_connection_close(c);
}

void upstream_abort(struct upstream_attempt **attempt)
{
	struct upstream_attempt *u = *attempt;
	if (u == NULL)
		return;
	*attempt = NULL;
	if (u->telling_done)
		return;
	assert(u->state != UPSTREAM_DOT);
	struct upstream_connection *c = u->connection;
	upstream_leave_connection(u);
	if (c)
		dispose_of_connection(c, u->state, u->outstanding);
	upstream_pool_wake(u->pool); /* a connection on its way for it may have no attempt now */
	upstream_free(u);
}
