/*
 * The pool of one upstream: its connections, and the attempts that wait for one.
 * It owns both. Everything that concerns both is decided in the pool's turn, at
 * the end of the loop's.
 *
 * How it fails: we back off from an upstream that can't be reached or refuses
 * our login. Until that is over, attempts fail at once if no connection is left;
 * the first attempt after it tries again, with a single connection.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/tls_clients.h"
#include "relay/upstream/private.h"

#define LOGINS_AT_ONCE 4 /* providers take more of them for an attack */

/* ---- counting */

static void count_connection(struct upstream_tally *tally, enum connection_state state)
{
	tally->all++;
	if (state < CONNECTION_IDLE)
		tally->connecting++;
	else if (state == CONNECTION_IDLE)
		tally->idle++;
	else if (state == CONNECTION_BUSY)
		tally->busy++;
	else if (state == CONNECTION_RESETTING)
		tally->resetting++;
}

static struct upstream_tally count_connections(const struct upstream_pool *pool)
{
	struct upstream_tally tally = { 0 };
	const struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state != CONNECTION_CLOSED)
			count_connection(&tally, c->state);
	}
	return tally;
}

static void count_by_account(struct upstream_pool *pool)
{
	struct upstream_account *account;
	const struct upstream_connection *c;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool))
		account->tally = (struct upstream_tally){ 0 };
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state != CONNECTION_CLOSED)
			count_connection(&c->account->tally, c->state);
	}
}

static void survey_accounts(struct upstream_pool *pool)
{
	struct upstream_account *account;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		account->slots_are_taken = false;
		upstream_backoff_survey(account);
	}
	count_by_account(pool);
	upstream_neighbours_survey(pool);
}

static void publish_counts(const struct upstream_pool *pool)
{
	struct upstream_tally tally = count_connections(pool);
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

void upstream_pool_distrust_idle(struct upstream_pool *pool)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_IDLE)
			upstream_connection_close(c);
	}
}

/* ---- the turn */

static void reap_closed(struct upstream_pool *pool)
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

/* Ends a waiting attempt, as we back off from what it waits for. */
static void refuse_waiting(struct upstream_attempt *u, enum upstream_backoff backoff)
{
	char reason[UPSTREAM_REASON_SIZE];
	enum upstream_class class = upstream_backoff_explain(u->account, backoff, reason);
	upstream_finish(u, class, NULL, reason);
}

static void refuse_account(struct upstream_account *account, enum upstream_backoff backoff)
{
	struct upstream_attempt *u;
	while ((u = upstream_queue_first(&account->lines, UPSTREAM_BY_ACCOUNT)) != NULL)
		refuse_waiting(u, backoff);
}

static void refuse_in_backoff(struct upstream_pool *pool)
{
	struct upstream_account *account;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		if (account->sending_backoff != UPSTREAM_BACKOFF_NONE)
			refuse_account(account, account->sending_backoff);
	}
}

/* The one that was busy last, so that surplus ones grow old. */
static struct upstream_connection *find_idle(const struct upstream_account *account)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&account->pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_IDLE && c->account == account && c->trial == NULL)
			return c;
	}
	return NULL;
}

static bool is_busy(const struct upstream_account *account)
{
	const struct upstream_connection *c;
	for (c = TAILQ_FIRST(&account->pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_BUSY && c->account == account)
			return true;
	}
	return false;
}

static void place_on_trial(struct upstream_attempt *u)
{
	struct upstream_connection *c = u->trial->connection;
	if (c && c->state == CONNECTION_IDLE)
		upstream_dialog_begin(u, c);
	if (u->state == UPSTREAM_WAITING)
		upstream_finish(u, UPSTREAM_TRANSPORT, NULL, "its connection is gone");
}

/* None of these waits any longer than this. */
static void place_trials(struct upstream_pool *pool)
{
	struct upstream_trial *trial;
	for (trial = TAILQ_FIRST(&pool->trials); trial; trial = TAILQ_NEXT(trial, in_pool)) {
		if (trial->attempt && trial->attempt->state == UPSTREAM_WAITING)
			place_on_trial(trial->attempt);
	}
}

/* False: the account has no idle connection, after all. */
static bool place_attempt(struct upstream_attempt *u)
{
	struct upstream_connection *c;
	while (u->state == UPSTREAM_WAITING && (c = find_idle(u->account)) != NULL)
		upstream_dialog_begin(u, c);
	return u->state != UPSTREAM_WAITING;
}

static void place_account(struct upstream_account *account)
{
	struct upstream_attempt *u;
	while ((u = upstream_queue_first(&account->lines, UPSTREAM_BY_ACCOUNT)) != NULL &&
	       !(account->on_probation && is_busy(account))) {
		if (!upstream_share_allows(u))
			upstream_queue_pass_line(u, UPSTREAM_BY_ACCOUNT);
		else if (!place_attempt(u))
			break;
	}
	upstream_queue_rewind(account->pool);
}

static void place_waiting(struct upstream_pool *pool)
{
	struct upstream_account *account;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		if (account->waiting && account->tally.idle)
			place_account(account);
	}
}

/* A draining pool keeps no connection that no attempt waits for, and makes none ready whose attempt has left. */
static void end_unwanted(struct upstream_pool *pool)
{
	struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_IDLE)
			upstream_connection_quit(c);
		else if (c->state < CONNECTION_IDLE && c->account->waiting == 0 && c->trial == NULL)
			upstream_connection_close(c);
	}
}

/* False: enough are on their way already, or none may be opened. */
static bool wants_connection(const struct upstream_account *account)
{
	const struct upstream_tally *tally = &account->tally;
	size_t wanted = account->on_probation && account->placeable ? 1 : account->placeable;
	if (account->on_probation && tally->busy)
		return false;
	return account->opening_backoff == UPSTREAM_BACKOFF_NONE && tally->connecting + tally->resetting < wanted;
}

bool upstream_pool_has_room(const struct upstream_account *account)
{
	const struct upstream_pool *pool = account->pool;
	return account->tally.all < upstream_account_limit(account) && !account->slots_are_taken &&
	       !upstream_neighbours_come_first(account) && count_connections(pool).all < pool->relay->connections;
}

/* False: it failed, and another would fare no better in this turn. */
static bool open_one(struct upstream_account *account)
{
	struct upstream_pool *pool = account->pool;
	unsigned slot;
	enum status status = slots_take(pool->options.slots, account->slot_key, upstream_account_limit(account), &slot);
	struct upstream_connection *c = status == STATUS_OK ? upstream_connection_open(account, slot) : NULL;
	if (status == STATUS_AGAIN) {
		account->slots_are_taken = true;
	} else if (c == NULL) {
		upstream_backoff_ours(pool, status == STATUS_SYSTEM ? "no lock can be had for a connection"
								    : "out of memory");
	} else {
		TAILQ_INSERT_TAIL(&pool->connections, c, in_pool);
		upstream_neighbours_note_opened(account);
		count_by_account(pool);
	}
	upstream_backoff_survey(account); /* the call itself may have begun a back-off */
	return c != NULL && c->state != CONNECTION_CLOSED;
}

static void open_connections(struct upstream_pool *pool, uint64_t *out_next_ms)
{
	size_t at_once = pool->proven ? LOGINS_AT_ONCE : 1;
	struct upstream_account *account;
	for (account = TAILQ_FIRST(&pool->planned); account; account = TAILQ_NEXT(account, in_plan)) {
		bool goes_on = true;
		while (goes_on && wants_connection(account) && upstream_pool_has_room(account) &&
		       count_connections(pool).connecting < at_once)
			goes_on = open_one(account);
	}
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		if (account->waiting && (account->slots_are_taken || upstream_neighbours_come_first(account)))
			*out_next_ms = loop_now_ms(pool->loop) + UPSTREAM_SLOT_RETRY_MS;
	}
}

/* The one that is idle for longest, of those that no attempt of their account waits for. */
static struct upstream_connection *find_spare(const struct upstream_pool *pool)
{
	struct upstream_connection *c;
	for (c = TAILQ_LAST(&pool->connections, upstream_connections); c;
	     c = TAILQ_PREV(c, upstream_connections, in_pool)) {
		if (c->state == CONNECTION_IDLE && c->account->waiting == 0 && c->trial == NULL)
			return c;
	}
	return NULL;
}

static bool is_quitting(const struct upstream_pool *pool)
{
	const struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		if (c->state == CONNECTION_QUITTING)
			return true;
	}
	return false;
}

/* Mailboxes make room for one another, one connection at a time. */
static void make_room(struct upstream_pool *pool)
{
	struct upstream_connection *c;
	const struct upstream_account *account;
	if (TAILQ_EMPTY(&pool->planned) || count_connections(pool).all < pool->relay->connections || is_quitting(pool))
		return;
	for (account = TAILQ_FIRST(&pool->planned); account; account = TAILQ_NEXT(account, in_plan)) {
		if (wants_connection(account) && (c = find_spare(pool)) != NULL) {
			upstream_connection_quit(c);
			return;
		}
	}
}

/* No attempt waits for a connection that can't come. */
static void fail_hopeless(struct upstream_pool *pool)
{
	struct upstream_account *account;
	count_by_account(pool);
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		const struct upstream_tally *tally = &account->tally;
		if (account->opening_backoff != UPSTREAM_BACKOFF_NONE &&
		    tally->connecting + tally->idle + tally->busy + tally->resetting == 0)
			refuse_account(account, account->opening_backoff);
	}
}

static void tell_owners(struct upstream_pool *pool)
{
	struct upstream_attempt *u;
	while ((u = TAILQ_FIRST(&pool->due)) != NULL)
		upstream_tell(u);
}

static void set_timer(struct upstream_pool *pool, uint64_t next_ms)
{
	uint64_t now = loop_now_ms(pool->loop);
	const struct upstream_account *account;
	timer_clear(pool->timer);
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		uint64_t left_ms = account->waiting ? upstream_backoff_left_ms(account) : UINT64_MAX;
		if (left_ms < BACKOFF_MAXIMUM_MS && now + left_ms < next_ms)
			next_ms = now + left_ms;
	}
	if (pool->waiting_count == 0)
		next_ms = UINT64_MAX;
	if (upstream_neighbours_next_ms(pool) < next_ms)
		next_ms = upstream_neighbours_next_ms(pool);
	if (next_ms != UINT64_MAX)
		timer_set(pool->timer, next_ms > now ? next_ms - now : 0);
}

static void run_turn(void *context)
{
	struct upstream_pool *pool = context;
	uint64_t next_ms = UINT64_MAX;
	reap_closed(pool);
	survey_accounts(pool);
	place_trials(pool);
	refuse_in_backoff(pool);
	upstream_neighbours_give(pool);
	place_waiting(pool);
	if (pool->draining)
		end_unwanted(pool);
	count_by_account(pool);
	upstream_share_plan(pool);
	open_connections(pool, &next_ms);
	make_room(pool);
	upstream_yield(pool, &next_ms);
	fail_hopeless(pool);
	upstream_neighbours_ask(pool);
	pool->backoff_is_news = false;
	set_timer(pool, next_ms);
	publish_counts(pool);
	tell_owners(pool);
	upstream_trials_tell(pool);
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
	if (tls_clients_take(pool->options.tls_clients, &options, &pool->tls, &error) == STATUS_OK)
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
	pool->neighbours_until_ms = loop_now_ms(loop) + options->neighbours_ms;
	pool->profile = upstream_profile_of(options->relay);
	pool->turn = (struct turn_end){ .run = run_turn, .context = pool };
	TAILQ_INIT(&pool->accounts);
	TAILQ_INIT(&pool->connections);
	TAILQ_INIT(&pool->attempts);
	TAILQ_INIT(&pool->passed);
	TAILQ_INIT(&pool->planned);
	TAILQ_INIT(&pool->due);
	TAILQ_INIT(&pool->trials);
	struct upstream_account *configured = upstream_account_hold(pool, (struct span){ 0 });
	enum status status = configured ? map_init(&pool->shares) : STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		status = make_tls(pool);
	if (status == STATUS_OK)
		status = backoffs_create(loop, -1, &pool->own_backoffs);
	if (status == STATUS_OK)
		status = timer_make(loop, on_timer, pool, &pool->timer);
	if (status != STATUS_OK) {
		upstream_account_release(&configured);
		backoffs_free(&pool->own_backoffs);
		map_free(&pool->shares);
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
	reap_closed(gone);
	publish_counts(gone);
	struct upstream_account *configured = TAILQ_FIRST(&gone->accounts);
	upstream_account_release(&configured);
	loop_forget_turn_end(gone->loop, &gone->turn);
	timer_free(&gone->timer);
	backoffs_free(&gone->own_backoffs);
	map_free(&gone->shares);
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
	struct upstream_tally tally = count_connections(pool);
	*out_state = (struct upstream_pool_state){ .idle = tally.idle,
						   .busy = tally.all - tally.idle,
						   .waiting = pool->waiting_count,
						   .logins = pool->logins,
						   .messages = pool->messages,
						   .last_error = pool->last_error };
	upstream_backoff_show(pool, out_state);
}
