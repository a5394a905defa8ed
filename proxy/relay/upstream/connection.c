/*
 * One connection to an upstream: it is resolved, connected and secured, and then
 * hands on replies one by one to what waits for them. It owns its stream.
 *
 * How it fails: before it is logged in, the upstream's next address gets its
 * share of the time, and after the last one we back off. Once it is logged in,
 * its attempt is told. A reply that nothing asked for, or that isn't SMTP, closes
 * the connection.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "relay/upstream/private.h"

/* bytes: more than the largest reply, so that the parser can say that one is too large */
#define INPUT_MAXIMUM (REPLY_SIZE_MAXIMUM + 4096)
/* bytes: 1,000 recipients at once, or a body's backlog */
#define OUTPUT_MAXIMUM (1U << 20)
/* for the reply to RSET, which costs the upstream nothing, while some attempt may wait for the connection */
#define RESET_MS 5000
/* for the reply to QUIT, on which only a slot depends */
#define QUIT_MS 2000
/* how long an address that could not be reached is tried last */
#define SHUN_MS 600000
/* for the upstream to close after its reply to QUIT */
#define FAREWELL_MS 500

void upstream_connection_set_state(struct upstream_connection *c, enum connection_state state)
{
	assert(c->state != CONNECTION_CLOSED);
	c->state = state;
	upstream_pool_wake(c->pool);
}

uint64_t upstream_connection_time_left(const struct upstream_connection *c)
{
	uint64_t now = loop_now_ms(c->pool->loop);
	return now < c->ready_until_ms ? c->ready_until_ms - now : 1;
}

/* ---- its end */

void upstream_connection_close(struct upstream_connection *c)
{
	if (c->state == CONNECTION_CLOSED)
		return;
	resolver_cancel(&c->resolution);
	stream_free(&c->stream);
	upstream_login_wipe(c);
	upstream_trial_on_closed(c);
	slots_give(c->pool->options.slots, c->account->slot_key, c->slot);
	upstream_connection_set_state(c, CONNECTION_CLOSED);
}

void upstream_connection_free(struct upstream_connection *c)
{
	upstream_account_release(&c->account);
	free(c);
}

void upstream_connection_unusable(struct upstream_connection *c, const char *reason)
{
	upstream_trial_note(c, reason);
	upstream_connection_close(c);
	upstream_backoff_connecting(c->pool, reason);
}

void upstream_connection_unequipped(struct upstream_connection *c, const char *reason)
{
	upstream_trial_note(c, reason);
	upstream_connection_close(c);
	upstream_backoff_ours(c->pool, reason);
}

static void connect_next(struct upstream_connection *c);

/* The address just tried is tried last for a while: if it hangs, it would cost each connection a share of its time. */
static void shun_address(const struct upstream_connection *c)
{
	c->pool->shunned = c->addresses.endpoints[c->next_address - 1];
	c->pool->shunned_until_ms = loop_now_ms(c->pool->loop) + SHUN_MS;
}

void upstream_connection_lost(struct upstream_connection *c, const char *reason)
{
	char text[UPSTREAM_REASON_SIZE];
	bool was_greeted = c->state > CONNECTION_GREETING;
	if (c->state >= CONNECTION_IDLE)
		upstream_trial_note(c, reason);
	if (c->state == CONNECTION_BUSY) {
		upstream_dialog_on_lost(c->attempt, reason);
		upstream_connection_close(c);
	} else if (c->state == CONNECTION_IDLE && c->transactions == 0 && c->pool->waiting_count) {
		/* It was opened for some attempt and carried none: another one now would fare no better. */
		snprintf(text, sizeof(text), "%s: %s", c->host, reason);
		upstream_connection_unusable(c, text);
	} else if (c->state >= CONNECTION_IDLE) {
		log_debug("relay %s: connection to %s ended: %s", c->pool->relay->name, c->host, reason);
		upstream_connection_close(c);
	} else if (!was_greeted && c->next_address < c->addresses.count) {
		log_info("relay %s: %s: %s; trying its next address", c->pool->relay->name, c->host, reason);
		upstream_trial_trace(c, "* %s", reason);
		shun_address(c);
		stream_free(&c->stream);
		connect_next(c);
	} else {
		snprintf(text, sizeof(text), "%s: %s", c->host[0] ? c->host : c->pool->relay->host, reason);
		upstream_connection_unusable(c, text);
	}
}

void upstream_connection_quit(struct upstream_connection *c)
{
	upstream_connection_set_state(c, CONNECTION_QUITTING);
	(void)upstream_connection_say(c, SPAN("QUIT\r\n"), QUIT_MS);
}

/* ---- between transactions */

void upstream_connection_become_idle(struct upstream_connection *c)
{
	struct upstream_pool *pool = c->pool;
	bool is_used_up = c->transactions >= pool->relay->messages_per_connection ||
			  (c->features.mail_limit && c->transactions >= c->features.mail_limit);
	if (is_used_up) {
		upstream_connection_quit(c);
		return;
	}
	/* To the front, so that the one used last is used next. */
	TAILQ_REMOVE(&pool->connections, c, in_pool);
	TAILQ_INSERT_HEAD(&pool->connections, c, in_pool);
	stream_set_deadline(c->stream, pool->relay->idle_timeout);
	upstream_connection_set_state(c, CONNECTION_IDLE);
}

static void say_reset(struct upstream_connection *c)
{
	(void)upstream_connection_ask(c, SPAN("RSET\r\n"), RESET_MS);
}

void upstream_connection_reset(struct upstream_connection *c, size_t unanswered)
{
	c->unanswered = unanswered;
	upstream_connection_set_state(c, CONNECTION_RESETTING);
	stream_set_deadline(c->stream, RESET_MS);
	if (unanswered == 0)
		say_reset(c);
}

static void on_reset_reply(struct upstream_connection *c, const struct reply *reply)
{
	if (c->unanswered) {
		if (--c->unanswered == 0)
			say_reset(c);
	} else if (reply->code / 100 == 2) {
		upstream_connection_become_idle(c);
	} else {
		upstream_connection_close(c);
	}
}

/* The upstream closes first (RFC 5321, 4.1.1.10). Until then it counts this connection, so the slot isn't free. */
static void on_quit_reply(struct upstream_connection *c, const struct reply *reply)
{
	(void)reply;
	stream_set_deadline(c->stream, FAREWELL_MS);
}

static void on_busy_reply(struct upstream_connection *c, const struct reply *reply)
{
	upstream_dialog_on_reply(c->attempt, reply);
}

/* ---- what comes in and goes out */

bool upstream_connection_say(struct upstream_connection *c, struct span bytes, uint64_t limit_ms)
{
	enum status status = stream_write(c->stream, bytes);
	upstream_trial_trace_said(c, bytes);
	if (status != STATUS_OK) {
		upstream_connection_lost(c, status_text(status));
		return false;
	}
	stream_set_deadline(c->stream, limit_ms);
	return true;
}

static bool lose_if(struct upstream_connection *c, bool is_ahead)
{
	if (is_ahead)
		upstream_connection_lost(c, "it spoke unasked");
	return is_ahead;
}

bool upstream_connection_lose_if_ahead(struct upstream_connection *c)
{
	return lose_if(c, stream_fetch_noticed(c->stream));
}

bool upstream_connection_ask(struct upstream_connection *c, struct span bytes, uint64_t limit_ms)
{
	return !lose_if(c, stream_fetch(c->stream)) && upstream_connection_say(c, bytes, limit_ms);
}

static void (*const reply_handlers[CONNECTION_STATE_COUNT])(struct upstream_connection *c,
							    const struct reply *reply) = {
	[CONNECTION_GREETING] = upstream_login_on_greeting,
	[CONNECTION_EHLO] = upstream_login_on_ehlo,
	[CONNECTION_STARTTLS] = upstream_login_on_starttls,
	[CONNECTION_AUTH] = upstream_login_on_auth,
	[CONNECTION_BUSY] = on_busy_reply,
	[CONNECTION_RESETTING] = on_reset_reply,
	[CONNECTION_QUITTING] = on_quit_reply,
};

/* Takes one whole reply off the input, and gives it to its handler. */
static enum status take_reply(struct upstream_connection *c)
{
	struct buf *input = stream_input(c->stream);
	struct buf scratch BUF_AUTO;
	struct reply reply;
	size_t used;
	buf_init(&scratch, REPLY_SIZE_MAXIMUM);
	TRY(reply_parse_wire(buf_span(input), &scratch, &reply, &used));
	buf_consume(input, used);
	c->spoke_ms = loop_now_ms(c->pool->loop);
	upstream_trial_trace_reply(c, &reply);
	if (reply_handlers[c->state] == NULL)
		return STATUS_REFUSED;
	reply_handlers[c->state](c, &reply);
	return STATUS_OK;
}

/* The first line of a verdict decides whether the upstream has the message, however much it goes on to say. */
static bool take_large_verdict(struct upstream_connection *c)
{
	struct reply reply;
	if (c->state != CONNECTION_BUSY || c->attempt->state != UPSTREAM_DOT ||
	    reply_parse_begin(buf_span(stream_input(c->stream)), &reply) != STATUS_OK)
		return false;
	upstream_trial_trace_reply(c, &reply);
	upstream_transfer_on_reply(c->attempt, &reply);
	upstream_connection_close(c);
	return true;
}

void upstream_connection_take(struct upstream_connection *c)
{
	const struct stream *stream = c->stream;
	while (c->stream == stream && stream && buf_size(stream_input(c->stream))) {
		enum status status = take_reply(c);
		if (status == STATUS_AGAIN || (status == STATUS_TOO_LARGE && take_large_verdict(c)))
			return;
		if (status == STATUS_REFUSED)
			upstream_connection_lost(c, "a reply that nothing was asked for");
		else if (status != STATUS_OK)
			upstream_connection_lost(c, "what it said is no SMTP reply");
	}
}

/* ---- events of the stream */

static void on_connected(struct upstream_connection *c)
{
	const struct config_relay *relay = c->pool->relay;
	if (relay->tls != RELAY_TLS_IMPLICIT) {
		upstream_connection_set_state(c, CONNECTION_GREETING);
		return;
	}
	upstream_connection_set_state(c, CONNECTION_SECURING);
	const char *name = relay->tls_name[0] ? relay->tls_name : relay->host;
	if (stream_secure_client(c->stream, c->pool->tls, span_of(name)) != STATUS_OK)
		upstream_connection_lost(c, "TLS can't begin");
}

static void on_secured(struct upstream_connection *c)
{
	const struct config_relay *relay = c->pool->relay;
	upstream_trial_trace(c, "* %s, certificate %s %s", stream_tls_version(c->stream),
			     relay->tls_verify ? "verified for" : "not verified, of",
			     relay->tls_name[0] ? relay->tls_name : relay->host);
	if (relay->tls == RELAY_TLS_IMPLICIT)
		upstream_connection_set_state(c, CONNECTION_GREETING);
	else
		upstream_login_say_ehlo(c); /* RFC 3207, 4.2: whatever was offered before doesn't count */
}

static void on_timeout(struct upstream_connection *c)
{
	if (c->state == CONNECTION_IDLE) {
		upstream_connection_quit(c);
		return;
	}
	if (c->state == CONNECTION_BUSY)
		c->attempt->replaced = REPLACED_MAXIMUM; /* its client would not wait a second time */
	if (c->state == CONNECTION_CREDENTIAL)
		upstream_connection_unequipped(c, "no credentials in time");
	else
		upstream_connection_lost(c, c->state == CONNECTION_CONNECTING ? "no connection in time"
									      : "no reply in time");
}

static void on_ended(struct upstream_connection *c)
{
	const struct stream *stream = c->stream;
	upstream_connection_take(c);
	if (c->stream == stream)
		upstream_connection_lost(c, "closed by the relay");
}

static void on_failed(struct upstream_connection *c)
{
	char reason[UPSTREAM_REASON_SIZE];
	snprintf(reason, sizeof(reason), "%s", stream_error(c->stream));
	upstream_connection_lost(c, reason);
}

static void on_event(void *context, struct stream *stream, enum stream_event event)
{
	struct upstream_connection *c = context;
	(void)stream;
	switch (event) {
	case STREAM_CONNECTED:
		on_connected(c);
		break;
	case STREAM_SECURED:
		on_secured(c);
		break;
	case STREAM_INPUT:
		upstream_connection_take(c);
		break;
	case STREAM_DRAINED:
		if (c->state == CONNECTION_BUSY)
			upstream_transfer_on_drained(c->attempt);
		break;
	case STREAM_TIMEOUT:
		on_timeout(c);
		break;
	case STREAM_ENDED:
		on_ended(c);
		break;
	case STREAM_FAILED:
		on_failed(c);
		break;
	}
}

/* ---- its beginning */

/* An equal share of the time left for each address not tried yet. */
static uint64_t share_time(const struct upstream_connection *c)
{
	uint64_t addresses = c->addresses.count - c->next_address + 1;
	uint64_t share_ms = upstream_connection_time_left(c) / addresses;
	return share_ms ? share_ms : 1;
}

static void connect_next(struct upstream_connection *c)
{
	const struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM, .output_maximum = OUTPUT_MAXIMUM, .on_event = on_event, .context = c
	};
	const struct endpoint *address = &c->addresses.endpoints[c->next_address++];
	endpoint_format(address, c->host);
	upstream_trial_trace(c, "* connecting to %s, port %u", c->host, (unsigned)c->pool->relay->port);
	enum status status = stream_connect(c->pool->loop, (const struct sockaddr *)&address->storage, address->size,
					    &options, &c->stream);
	if (status != STATUS_OK) {
		upstream_connection_unequipped(c, "no socket for a connection");
		return;
	}
	stream_set_deadline(c->stream, share_time(c));
	upstream_connection_set_state(c, CONNECTION_CONNECTING);
}

static void put_shunned_last(struct upstream_connection *c)
{
	const struct upstream_pool *pool = c->pool;
	struct endpoint *list = c->addresses.endpoints;
	size_t count = c->addresses.count, at = 0;
	if (count < 2 || loop_now_ms(pool->loop) >= pool->shunned_until_ms)
		return;
	while (at < count && (list[at].size != pool->shunned.size ||
			      memcmp(&list[at].storage, &pool->shunned.storage, list[at].size) != 0))
		at++;
	if (at == count)
		return;
	struct endpoint shunned = list[at];
	memmove(&list[at], &list[at + 1], (count - at - 1) * sizeof(*list));
	list[count - 1] = shunned;
}

static void on_resolved(void *context, const struct resolver_answer *answer)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct upstream_connection *c = context;
	c->resolution = NULL;
	c->addresses = *answer;
	if (answer->is_stale)
		log_warning("relay %s: DNS does not answer: the last known addresses of %s are used",
			    c->pool->relay->name, c->pool->relay->host);
	put_shunned_last(c);
	if (answer->status == STATUS_OK && answer->count) {
		connect_next(c);
		return;
	}
	snprintf(reason, sizeof(reason), "%s can't be resolved: %s", c->pool->relay->host, answer->reason);
	upstream_connection_unusable(c, reason);
}

static enum status resolve_host(struct upstream_connection *c)
{
	const struct config_relay *relay = c->pool->relay;
	struct resolution *resolution = NULL;
	c->ready_until_ms = loop_now_ms(c->pool->loop) + relay->connect_timeout;
	TRY(resolver_ask(c->pool->options.resolver, span_of(relay->host), (uint16_t)relay->port, relay->connect_timeout,
			 on_resolved, c, &resolution));
	/* A literal address is answered within the call: nothing is left to cancel. */
	if (c->state == CONNECTION_RESOLVING)
		c->resolution = resolution;
	return STATUS_OK;
}

struct upstream_connection *upstream_connection_open(struct upstream_account *account, unsigned slot)
{
	return upstream_connection_open_for(account, slot, NULL);
}

struct upstream_connection *upstream_connection_open_for(struct upstream_account *account, unsigned slot,
							 struct upstream_trial *trial)
{
	struct upstream_connection *c = calloc(1, sizeof(*c));
	if (c != NULL) {
		c->pool = account->pool;
		c->account = account;
		c->slot = slot;
		c->trial = trial;
		account->users++;
		if (resolve_host(c) == STATUS_OK)
			return c;
		account->users--;
	}
	slots_give(account->pool->options.slots, account->slot_key, slot);
	free(c);
	return NULL;
}
