/*
 * The pool of one relay: its connections, the attempts that wait for one, and
 * its rests after failures. It owns both, and everything they have in common
 * is decided in its turn, at the end of the loop's.
 *
 * How it fails: a relay that can't be reached or refuses our login rests, and
 * attempts fail at once while it does and no connection is left; the first
 * attempt behind the rest tries again, with one connection alone.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/upstream_private.h"

#define CONNECT_REST_MS 1000          /* first rest after a relay could not be reached: a restart takes about so long */
#define CONNECT_REST_MAXIMUM_MS 30000 /* so mail flows again soon after the relay does */
#define ACCOUNT_REST_MS 5000          /* first rest after a refused login */
#define ACCOUNT_REST_MAXIMUM_MS 300000 /* Gmail answers 454 to who logs in too often, for minutes */
#define SILENT_MS 2000                 /* then an attempt gives its connection to one that waits */

/* ---- counting */

struct tally {
	size_t connecting, idle, busy, resetting, all;
};

static struct tally count_connections(const struct upstream_pool *pool)
{
	struct tally tally = { 0 };
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_CLOSED)
			continue;
		tally.all++;
		if (c->state < CONNECTION_IDLE)
			tally.connecting++;
		else if (c->state == CONNECTION_IDLE)
			tally.idle++;
		else if (c->state == CONNECTION_BUSY)
			tally.busy++;
		else if (c->state == CONNECTION_RESETTING)
			tally.resetting++;
	}
	return tally;
}

static size_t count_waiting(const struct upstream_pool *pool)
{
	size_t count = 0;
	const struct upstream *u;
	for (u = TAILQ_FIRST(&pool->waiting); u; u = TAILQ_NEXT(u, in_waiting))
		count++;
	return count;
}

static void publish(const struct upstream_pool *pool)
{
	struct tally tally = count_connections(pool);
	unsigned label = pool->options.relay_index * 8;
	stats_set(pool->options.stats, COUNTER_RELAY_CONNECTIONS, label, tally.idle);
	stats_set(pool->options.stats, COUNTER_RELAY_CONNECTIONS, label + 1, tally.all - tally.idle);
}

void upstream_pool_count_login(struct upstream_pool *pool, enum stats_result result)
{
	if (result == STATS_RESULT_OK)
		pool->logins++;
	stats_add(pool->options.stats, COUNTER_RELAY_LOGINS, pool->options.relay_index * 8 + result, 1);
}

/* ---- rests */

static bool is_resting(const struct upstream_pool *pool)
{
	return loop_now_ms(pool->loop) < pool->rest_until_ms;
}

static void rest(struct upstream_pool *pool, uint64_t first_ms, uint64_t maximum_ms, const char *reason)
{
	uint64_t rest_ms = pool->rest_ms * 2;
	if (rest_ms < first_ms)
		rest_ms = first_ms;
	if (rest_ms > maximum_ms)
		rest_ms = maximum_ms;
	pool->rest_ms = rest_ms;
	pool->rest_until_ms = loop_now_ms(pool->loop) + rest_ms;
	pool->rest_is_news = true;
	pool->proven = false;
	snprintf(pool->last_error, sizeof(pool->last_error), "%s", reason);
	log_warning("relay %s: %s; no new connection for %llu s", pool->relay->name, reason,
		    (unsigned long long)(rest_ms / 1000));
	upstream_pool_wake(pool);
}

void upstream_pool_rest_connecting(struct upstream_pool *pool, const char *reason)
{
	/* Connections begun together fail together: they are one failure. */
	if (is_resting(pool))
		return;
	pool->login_refused = false;
	rest(pool, CONNECT_REST_MS, CONNECT_REST_MAXIMUM_MS, reason);
}

void upstream_pool_rest_account(struct upstream_pool *pool, const char *reason)
{
	if (!upstream_pool_may_log_in(pool))
		return;
	pool->login_refused = true;
	rest(pool, ACCOUNT_REST_MS, ACCOUNT_REST_MAXIMUM_MS, reason);
}

void upstream_pool_distrust_idle(struct upstream_pool *pool)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_IDLE)
			upstream_connection_close(c);
	}
}

bool upstream_pool_may_log_in(const struct upstream_pool *pool)
{
	return !(pool->login_refused && is_resting(pool));
}

void upstream_pool_is_well(struct upstream_pool *pool)
{
	pool->proven = true;
	pool->login_refused = false;
	pool->rest_ms = 0;
	pool->rest_until_ms = 0;
	pool->last_error[0] = '\0';
}

/* ---- the turn */

static void reap(struct upstream_pool *pool)
{
	struct upstream_connection *c = TAILQ_FIRST(&pool->connections);
	while (c) {
		struct upstream_connection *next = TAILQ_NEXT(c, in_pool);
		if (c->state == CONNECTION_CLOSED) {
			TAILQ_REMOVE(&pool->connections, c, in_pool);
			upstream_connection_free(c);
		}
		c = next;
	}
}

/* The one that was busy last, so that those too many grow old. */
static struct upstream_connection *find_idle(const struct upstream_pool *pool)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_IDLE)
			return c;
	}
	return NULL;
}

static void place_waiting(struct upstream_pool *pool)
{
	struct upstream_connection *c;
	while (!TAILQ_EMPTY(&pool->waiting) && (c = find_idle(pool)) != NULL)
		upstream_dialog_begin(TAILQ_FIRST(&pool->waiting), c);
}

/* A draining pool keeps no connection that nobody waits for: who waited for this one may have left in the same turn. */
static void quit_idle(struct upstream_pool *pool)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_IDLE)
			upstream_connection_quit(c);
	}
}

static void open_connections(struct upstream_pool *pool)
{
	size_t waiting = count_waiting(pool);
	struct tally tally = count_connections(pool);
	while (!is_resting(pool) && tally.connecting + tally.resetting < waiting &&
	       tally.all < pool->relay->connections && (pool->proven || tally.connecting == 0)) {
		struct upstream_connection *c = upstream_connection_open(pool);
		if (c == NULL) {
			upstream_pool_rest_connecting(pool, "out of memory");
			return;
		}
		TAILQ_INSERT_TAIL(&pool->connections, c, in_pool);
		tally = count_connections(pool);
	}
}

/* The attempt whose owner has been silent for longest, with nothing to tell it. */
static struct upstream *find_silent(const struct upstream_pool *pool)
{
	struct upstream *u, *found = NULL;
	for (u = TAILQ_FIRST(&pool->attempts); u; u = TAILQ_NEXT(u, in_pool)) {
		if (u->state == UPSTREAM_OPEN && !u->is_due &&
		    (found == NULL || u->silent_since_ms < found->silent_since_ms))
			found = u;
	}
	return found;
}

/* Silent attempts give way to those that wait. *out_next_ms: when there may be the next such. */
static void park_silent(struct upstream_pool *pool, uint64_t *out_next_ms)
{
	struct tally tally = count_connections(pool);
	size_t coming = tally.connecting + tally.resetting;
	size_t waiting = count_waiting(pool);
	struct upstream *u;
	if (!is_resting(pool) && tally.all < pool->relay->connections)
		return;
	for (; coming < waiting && (u = find_silent(pool)) != NULL; coming++) {
		uint64_t silent_at = u->silent_since_ms + SILENT_MS;
		if (silent_at > loop_now_ms(pool->loop)) {
			*out_next_ms = silent_at;
			return;
		}
		upstream_park(u);
	}
}

/* Nobody waits for what can't come. */
static void fail_hopeless(struct upstream_pool *pool)
{
	char reason[UPSTREAM_REASON_SIZE + 40]; /* and the words in front */
	struct tally tally = count_connections(pool);
	if (!is_resting(pool) || tally.connecting + tally.idle + tally.busy + tally.resetting)
		return;
	const char *why =
		pool->login_refused ? "account resting after login failure: " : "resting after connect failure: ";
	snprintf(reason, sizeof(reason), "%s%s", pool->rest_is_news ? "" : why, pool->last_error);
	while (!TAILQ_EMPTY(&pool->waiting))
		upstream_finish(TAILQ_FIRST(&pool->waiting), pool->login_refused ? UPSTREAM_LOGIN : UPSTREAM_TRANSPORT,
				NULL, reason);
}

static void tell_owners(struct upstream_pool *pool)
{
	struct upstream *u;
	while ((u = TAILQ_FIRST(&pool->due)) != NULL)
		upstream_tell(u);
}

static void set_timer(struct upstream_pool *pool, uint64_t next_ms)
{
	uint64_t now = loop_now_ms(pool->loop);
	timer_clear(pool->timer);
	if (TAILQ_EMPTY(&pool->waiting))
		return;
	if (is_resting(pool) && pool->rest_until_ms < next_ms)
		next_ms = pool->rest_until_ms;
	if (next_ms != UINT64_MAX)
		timer_set(pool->timer, next_ms - now);
}

static void run_turn(void *context)
{
	struct upstream_pool *pool = context;
	uint64_t next_ms = UINT64_MAX;
	reap(pool);
	place_waiting(pool);
	if (pool->draining)
		quit_idle(pool);
	open_connections(pool);
	park_silent(pool, &next_ms);
	fail_hopeless(pool);
	pool->rest_is_news = false;
	set_timer(pool, next_ms);
	publish(pool);
	tell_owners(pool);
}

void upstream_pool_wake(struct upstream_pool *pool)
{
	loop_at_turn_end(pool->loop, &pool->turn);
}

static void on_timer(void *context)
{
	upstream_pool_wake(context);
}

/* ---- its owner's calls */

static enum status make_tls(struct upstream_pool *pool)
{
	char *error = NULL;
	struct tls_client_options options = { .verify = pool->relay->tls_verify, .ca_pem = pool->options.ca_pem };
	if (pool->relay->tls == RELAY_TLS_NONE)
		return STATUS_OK;
	if (tls_client_create(&options, &pool->tls, &error) == STATUS_OK)
		return STATUS_OK;
	log_error("relay %s: TLS can't be set up: %s", pool->relay->name, error ? error : "unknown reason");
	free(error);
	return STATUS_INVALID;
}

enum status upstream_pool_create(struct loop *loop, const struct upstream_options *options,
				 struct upstream_pool **out_pool)
{
	struct upstream_pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return STATUS_NO_MEMORY;
	pool->loop = loop;
	pool->options = *options;
	pool->relay = options->relay;
	pool->profile = upstream_profile_of(options->relay);
	pool->turn = (struct turn_end){ .run = run_turn, .context = pool };
	TAILQ_INIT(&pool->connections);
	TAILQ_INIT(&pool->attempts);
	TAILQ_INIT(&pool->waiting);
	TAILQ_INIT(&pool->due);
	enum status status = make_tls(pool);
	if (status == STATUS_OK)
		status = timer_make(loop, on_timer, pool, &pool->timer);
	if (status != STATUS_OK) {
		tls_context_free(&pool->tls);
		free(pool);
		return status;
	}
	*out_pool = pool;
	return STATUS_OK;
}

void upstream_pool_free(struct upstream_pool **pool)
{
	struct upstream_pool *gone = *pool;
	struct upstream_connection *c;
	if (gone == NULL)
		return;
	*pool = NULL;
	for (c = TAILQ_FIRST(&gone->connections); c; c = TAILQ_NEXT(c, in_pool))
		upstream_connection_close(c);
	while (!TAILQ_EMPTY(&gone->attempts))
		upstream_free(TAILQ_FIRST(&gone->attempts));
	reap(gone);
	publish(gone);
	loop_forget_turn_end(gone->loop, &gone->turn);
	timer_free(&gone->timer);
	tls_context_free(&gone->tls);
	free(gone);
}

void upstream_pool_credential(struct upstream_pool *pool, uint64_t ticket, const struct upstream_credential *credential)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_CREDENTIAL && c->ticket == ticket) {
			upstream_login_with(c, credential);
			return;
		}
	}
}

void upstream_pool_drain(struct upstream_pool *pool)
{
	pool->draining = true;
	upstream_pool_wake(pool);
}

size_t upstream_pool_size(const struct upstream_pool *pool)
{
	return count_connections(pool).all;
}

void upstream_pool_show(const struct upstream_pool *pool, struct upstream_pool_state *out_state)
{
	struct tally tally = count_connections(pool);
	*out_state = (struct upstream_pool_state){ .idle = tally.idle,
						   .busy = tally.all - tally.idle,
						   .waiting = count_waiting(pool),
						   .logins = pool->logins,
						   .messages = pool->messages,
						   .last_error = pool->last_error };
}
