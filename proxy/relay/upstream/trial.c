/*
 * Trials: each has a connection of its own, whose dialog an administrator
 * reads. The pool owns a trial until its owner closes it.
 *
 * How it fails: with a reason, told once, in the pool's turn.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "relay/upstream/private.h"

#define LINE_SIZE 1100     /* bytes: a line of a reply and what we put in front */
#define SLOT_LIMIT_MS 5000 /* for one of the account's connections to end */

/* ---- the dialog */

void upstream_trial_trace(const struct upstream_connection *c, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;
	if (c->trial == NULL)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	text_blank_controls(line, strlen(line));
	c->trial->handler->on_line(c->trial->context, line);
}

void upstream_trial_trace_said(const struct upstream_connection *c, struct span bytes)
{
	struct span line;
	bool is_body = c->attempt && c->attempt->state == UPSTREAM_BODY;
	if (c->trial == NULL || c->state == CONNECTION_AUTH || is_body)
		return; /* login.c tells the lines of AUTH, masked */
	while (span_cut(&bytes, '\n', &line)) {
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		upstream_trial_trace(c, "C: %.*s", SPAN_ARGS(line));
	}
}

void upstream_trial_trace_reply(const struct upstream_connection *c, const struct reply *reply)
{
	char masked[REPLY_SIZE_MAXIMUM];
	struct span rest = reply->text, line;
	if (c->trial == NULL)
		return;
	if (c->state == CONNECTION_AUTH) {
		upstream_login_mask(c, reply->text, masked, sizeof(masked));
		rest = span_of(masked);
	}
	do {
		bool has_more = span_cut(&rest, '\n', &line) && rest.size;
		upstream_trial_trace(c, "S: %u%c%.*s%s%.*s", reply->code, has_more ? '-' : ' ',
				     SPAN_ARGS(reply->enhanced), span_is_empty(reply->enhanced) ? "" : " ",
				     SPAN_ARGS(line));
	} while (rest.size);
}

/* ---- its end */

static void fail_trial(struct upstream_trial *trial, const char *reason)
{
	if (!trial->has_failed)
		snprintf(trial->reason, sizeof(trial->reason), "%s", reason);
	trial->has_failed = true;
	upstream_pool_wake(trial->pool);
}

void upstream_trial_note(const struct upstream_connection *c, const char *reason)
{
	if (c->trial && !c->trial->has_failed) {
		upstream_trial_trace(c, "* %s", reason);
		fail_trial(c->trial, reason);
	}
}

void upstream_trial_on_closed(struct upstream_connection *c)
{
	struct upstream_trial *trial = c->trial;
	if (trial == NULL)
		return;
	c->trial = NULL;
	trial->connection = NULL;
	fail_trial(trial, "closed");
}

void upstream_trials_tell(struct upstream_pool *pool)
{
	struct upstream_trial *next;
	for (struct upstream_trial *trial = TAILQ_FIRST(&pool->trials); trial; trial = next) {
		bool is_ready = trial->connection && trial->connection->state == CONNECTION_IDLE;
		next = TAILQ_NEXT(trial, in_pool);
		if (trial->is_told || (!is_ready && !trial->has_failed))
			continue;
		trial->is_told = true;
		if (is_ready)
			trial->handler->on_ready(trial->context);
		else
			trial->handler->on_failed(trial->context, trial->reason);
	}
}

/* ---- its beginning */

/* An idle connection makes room. */
static void end_idle(const struct upstream_pool *pool)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_IDLE && c->trial == NULL) {
			upstream_connection_quit(c);
			return;
		}
	}
}

static void try_to_connect(void *context)
{
	struct upstream_trial *trial = context;
	struct upstream_pool *pool = trial->pool;
	struct upstream_account *account = TAILQ_FIRST(&pool->accounts);
	unsigned slot;
	enum status status = slots_take(pool->options.slots, account->slot_key, upstream_account_limit(account), &slot);
	if (status == STATUS_AGAIN && loop_now_ms(pool->loop) < trial->until_ms) {
		end_idle(pool);
		timer_set(trial->timer, UPSTREAM_SLOT_RETRY_MS);
	} else if (status == STATUS_AGAIN) {
		fail_trial(trial, "all connections of this account are in use");
	} else if (status != STATUS_OK) {
		fail_trial(trial, "no lock can be had for a connection");
	} else {
		trial->connection = upstream_connection_open_for(account, slot, trial);
		if (trial->connection == NULL)
			fail_trial(trial, "no connection can be opened");
		else
			TAILQ_INSERT_TAIL(&pool->connections, trial->connection, in_pool);
	}
}

enum status upstream_trial_open(struct upstream_pool *pool, const struct upstream_trial_handler *handler, void *context,
				struct upstream_trial **out_trial)
{
	struct upstream_trial *trial = calloc(1, sizeof(*trial));
	if (trial == NULL)
		return STATUS_NO_MEMORY;
	*trial = (struct upstream_trial){ .pool = pool,
					  .handler = handler,
					  .context = context,
					  .until_ms = loop_now_ms(pool->loop) + SLOT_LIMIT_MS };
	enum status status = timer_make(pool->loop, try_to_connect, trial, &trial->timer);
	if (status != STATUS_OK) {
		free(trial);
		return status;
	}
	TAILQ_INSERT_TAIL(&pool->trials, trial, in_pool);
	timer_set(trial->timer, 0);
	*out_trial = trial;
	return STATUS_OK;
}

enum status upstream_trial_begin(struct upstream_trial *trial, const struct upstream_envelope *envelope,
				 const struct upstream_recipient *recipients, size_t count, uint64_t limit_ms,
				 const struct upstream_handler *handler, void *context,
				 struct upstream_attempt **out_attempt)
{
	assert(trial->attempt == NULL);
	TRY(upstream_begin(trial->pool, envelope, recipients, count, limit_ms, handler, context, out_attempt));
	trial->attempt = *out_attempt;
	trial->attempt->trial = trial;
	return STATUS_OK;
}

void upstream_trial_close(struct upstream_trial **trial)
{
	struct upstream_trial *gone = *trial;
	if (gone == NULL)
		return;
	*trial = NULL;
	if (gone->attempt)
		gone->attempt->trial = NULL;
	if (gone->connection)
		gone->connection->trial = NULL;
	upstream_pool_wake(gone->pool);
	TAILQ_REMOVE(&gone->pool->trials, gone, in_pool);
	timer_free(&gone->timer);
	free(gone);
}
