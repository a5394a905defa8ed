/*
 * When we back off from an upstream, or from an account at it: the circuit
 * breaker, whose memory is relay/upstream/backoffs.h. Each kind of back-off has
 * a key, which all sections with the same upstream, account or tenant share. A
 * back-off that follows another is twice as long, and the first success ends it.
 *
 * How it fails: a back-off that can't be kept doesn't happen, and each message
 * finds the fault by itself.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "relay/upstream/private.h"

#define SILENCES 5 /* transactions in a row: a single one may be its message's fault */

#define SECONDS 1000U
#define MINUTES (60 * SECONDS)
#define HOURS (60 * MINUTES)
#define FIRST_SENDING UPSTREAM_BACKOFF_SILENT

enum scope { SCOPE_RELAY, SCOPE_ACCOUNT, SCOPE_TENANT, SCOPE_SECTION, SCOPE_PROCESS };

/* What attempts hear, and for how long: the first back-off's length, and the longest. */
static const struct kind {
	const char *name;
	enum scope scope;
	enum upstream_class class;
	uint64_t first_ms, most_ms;
	uint64_t hint_ms; /* the longest we believe, if the upstream itself says how long */
	const char *words;
} kinds[UPSTREAM_BACKOFF_KINDS] = {
	[UPSTREAM_BACKOFF_NONE] = { "none", SCOPE_RELAY, UPSTREAM_TRANSPORT, 0, 0, 0, "" },
	/* A restart takes about a second, and mail should flow again soon after. */
	[UPSTREAM_BACKOFF_CONNECT] = { "connect", SCOPE_RELAY, UPSTREAM_TRANSPORT, 1 * SECONDS, 30 * SECONDS, 0,
				       "resting after connect failure: " },
	/* An auth role that died is back within a second. A relay left by a reload has none once its gates are gone. */
	[UPSTREAM_BACKOFF_OURS] = { "ours", SCOPE_PROCESS, UPSTREAM_TRANSPORT, 1 * SECONDS, 30 * SECONDS, 0,
				    "no new connection, by a fault of our own: " },
	/* Gmail answers 454 for minutes to anybody who logs in too often. */
	[UPSTREAM_BACKOFF_LOGIN] = { "login", SCOPE_ACCOUNT, UPSTREAM_LOGIN, 5 * SECONDS, 5 * MINUTES, 10 * MINUTES,
				     "account resting after login failure: " },
	[UPSTREAM_BACKOFF_CROWDED] = { "crowded", SCOPE_ACCOUNT, UPSTREAM_THROTTLED, 5 * SECONDS, 1 * MINUTES,
				       2 * MINUTES, "account has too many connections: " },
	[UPSTREAM_BACKOFF_SILENT] = { "silent", SCOPE_RELAY, UPSTREAM_TRANSPORT, 5 * SECONDS, 1 * MINUTES, 0,
				      "resting after messages without a reply: " },
	[UPSTREAM_BACKOFF_THROTTLED] = { "throttled", SCOPE_ACCOUNT, UPSTREAM_THROTTLED, 5 * SECONDS, 2 * MINUTES,
					 10 * MINUTES, "account throttled: " },
	/*
	 * Days are rolling, and nothing says when they end. So one message an hour finds out, and goes to the next
	 * relay if it was too early.
	 */
	[UPSTREAM_BACKOFF_ACCOUNT] = { "account", SCOPE_ACCOUNT, UPSTREAM_ACCOUNT, 5 * MINUTES, 60 * MINUTES,
				       24 * HOURS, "account has sent enough: " },
	[UPSTREAM_BACKOFF_TENANT] = { "tenant", SCOPE_TENANT, UPSTREAM_TENANT, 5 * MINUTES, 60 * MINUTES, 24 * HOURS,
				      "tenant has sent enough: " },
	[UPSTREAM_BACKOFF_PAUSED] = { "paused", SCOPE_SECTION, UPSTREAM_BUSY, 0, 0, 0, "" },
};

const char *upstream_backoff_text(enum upstream_backoff backoff)
{
	return backoff < UPSTREAM_BACKOFF_KINDS ? kinds[backoff].name : "unknown";
}

static const char *name_of(const struct upstream_account *account)
{
	return account->mailbox[0] ? account->mailbox : account->pool->relay->user;
}

/* A provider's tenants are told apart by the domains of their mailboxes. */
static const char *tenant_of(const struct upstream_account *account)
{
	const char *at = strrchr(name_of(account), '@');
	return at ? at : "";
}

void upstream_backoff_make_keys(struct upstream_account *account)
{
	const struct config_relay *relay = account->pool->relay;
	char address[ENDPOINT_TEXT_SIZE + 256];
	snprintf(address, sizeof(address), "%s:%u", relay->host, (unsigned)relay->port);
	for (size_t i = 0; i < UPSTREAM_BACKOFF_KINDS; i++) {
		switch (kinds[i].scope) {
		case SCOPE_RELAY:
		case SCOPE_PROCESS:
			account->keys[i] = backoffs_key(kinds[i].name, address, "");
			break;
		case SCOPE_ACCOUNT:
			account->keys[i] =
				backoffs_key(kinds[i].name, relay->user[0] ? relay->host : address, name_of(account));
			break;
		case SCOPE_TENANT:
			account->keys[i] = backoffs_key(kinds[i].name, relay->host, tenant_of(account));
			break;
		case SCOPE_SECTION:
			account->keys[i] = backoffs_key(kinds[i].name, "", relay->name);
			break;
		}
	}
}

/* This process's own faults are no concern of others. */
static struct backoffs *memory_of(const struct upstream_account *account, enum upstream_backoff backoff)
{
	const struct upstream_pool *pool = account->pool;
	return kinds[backoff].scope == SCOPE_PROCESS ? pool->own_backoffs : pool->options.backoffs;
}

static uint64_t left_ms(const struct upstream_account *account, enum upstream_backoff backoff)
{
	return backoffs_left_ms(memory_of(account, backoff), account->keys[backoff]);
}

static struct upstream_account *configured_account(const struct upstream_pool *pool)
{
	return TAILQ_FIRST(&pool->accounts);
}

/* ---- what we back off from now */

/* The back-off of [from, to) that ends last. */
static enum upstream_backoff find_longest(const struct upstream_account *account, enum upstream_backoff from,
					  enum upstream_backoff to)
{
	enum upstream_backoff found = UPSTREAM_BACKOFF_NONE;
	uint64_t longest_ms = 0;
	for (enum upstream_backoff backoff = from; backoff < to; backoff++) {
		uint64_t ms = left_ms(account, backoff);
		if (ms > longest_ms) {
			found = backoff;
			longest_ms = ms;
		}
	}
	return found;
}

/* One that is over, but nothing has gone well since. */
static enum upstream_backoff find_unproven(const struct upstream_account *account, enum upstream_backoff from,
					   enum upstream_backoff to)
{
	for (enum upstream_backoff backoff = from; backoff < to; backoff++) {
		if (backoffs_length_ms(memory_of(account, backoff), account->keys[backoff]))
			return backoff;
	}
	return UPSTREAM_BACKOFF_NONE;
}

void upstream_backoff_survey(struct upstream_account *account)
{
	account->opening_backoff = find_longest(account, UPSTREAM_BACKOFF_CONNECT, FIRST_SENDING);
	account->sending_backoff = find_longest(account, FIRST_SENDING, UPSTREAM_BACKOFF_KINDS);
	account->on_probation = account->sending_backoff == UPSTREAM_BACKOFF_NONE &&
				find_unproven(account, FIRST_SENDING, UPSTREAM_BACKOFF_PAUSED) != UPSTREAM_BACKOFF_NONE;
}

uint64_t upstream_backoff_left_ms(const struct upstream_account *account)
{
	return account->opening_backoff == UPSTREAM_BACKOFF_NONE ? UINT64_MAX
								 : left_ms(account, account->opening_backoff);
}

enum upstream_class upstream_backoff_explain(const struct upstream_account *account, enum upstream_backoff backoff,
					     char out_reason[UPSTREAM_REASON_SIZE])
{
	const struct upstream_pool *pool = account->pool;
	char reason[BACKOFF_REASON_SIZE];
	backoffs_reason(memory_of(account, backoff), account->keys[backoff], reason);
	if (pool->backoff_is_news && pool->last_error[0])
		snprintf(out_reason, UPSTREAM_REASON_SIZE, "%s", pool->last_error);
	else
		snprintf(out_reason, UPSTREAM_REASON_SIZE, "%s%s", kinds[backoff].words, reason);
	return kinds[backoff].class;
}

void upstream_backoff_show(const struct upstream_pool *pool, struct upstream_pool_state *state)
{
	const struct upstream_account *account = configured_account(pool);
	state->paused = left_ms(account, UPSTREAM_BACKOFF_PAUSED) != 0;
	state->backoff = find_longest(account, UPSTREAM_BACKOFF_CONNECT, UPSTREAM_BACKOFF_PAUSED);
	if (state->backoff == UPSTREAM_BACKOFF_NONE)
		state->backoff = find_unproven(account, UPSTREAM_BACKOFF_CONNECT, UPSTREAM_BACKOFF_PAUSED);
	state->backoff_left_ms = left_ms(account, state->backoff);
	backoffs_reason(memory_of(account, state->backoff), account->keys[state->backoff], state->backoff_reason);
}

/* ---- how a back-off begins and ends */

/* `hint_ms`: how long it should last, by the upstream's own words; 0: it didn't say. */
static void begin_backoff(struct upstream_account *account, enum upstream_backoff kind, uint64_t hint_ms,
			  const char *reason)
{
	struct upstream_pool *pool = account->pool;
	uint64_t ms = hint_ms < kinds[kind].hint_ms ? hint_ms : kinds[kind].hint_ms;
	if (ms == 0)
		ms = backoffs_begin_longer(memory_of(account, kind), account->keys[kind], kinds[kind].first_ms,
					   kinds[kind].most_ms, reason);
	else if (left_ms(account, kind) == 0)
		backoffs_begin(memory_of(account, kind), account->keys[kind], ms, reason);
	else
		ms = 0;
	if (ms == 0)
		return; /* what was under way failed for the same reason: that is not another failure */
	snprintf(pool->last_error, sizeof(pool->last_error), "%s", reason);
	upstream_pool_wake(pool);
	if (kind < FIRST_SENDING) {
		pool->proven = false;
		pool->backoff_is_news = true;
	}
	log_warning("relay %s%s%s: %s; no new %s for %" PRIu64 " s, or until subgatectl relay resume %s",
		    pool->relay->name, account->mailbox[0] ? ", " : "", account->mailbox, reason,
		    kind < FIRST_SENDING ? "connection" : "message", ms / SECONDS, pool->relay->name);
}

void upstream_backoff_connecting(struct upstream_pool *pool, const char *reason)
{
	begin_backoff(configured_account(pool), UPSTREAM_BACKOFF_CONNECT, 0, reason);
}

void upstream_backoff_ours(struct upstream_pool *pool, const char *reason)
{
	begin_backoff(configured_account(pool), UPSTREAM_BACKOFF_OURS, 0, reason);
}

void upstream_backoff_login(struct upstream_account *account, const char *reason)
{
	begin_backoff(account, UPSTREAM_BACKOFF_LOGIN, 0, reason);
}

bool upstream_backoff_allows_login(const struct upstream_account *account)
{
	return left_ms(account, UPSTREAM_BACKOFF_LOGIN) == 0;
}

static void end_backoff(const struct upstream_account *account, enum upstream_backoff kind)
{
	backoffs_end(memory_of(account, kind), account->keys[kind]);
}

void upstream_backoff_on_login(struct upstream_account *account)
{
	account->pool->proven = true;
	account->pool->last_error[0] = '\0';
	end_backoff(account, UPSTREAM_BACKOFF_CONNECT);
	end_backoff(account, UPSTREAM_BACKOFF_OURS);
	end_backoff(account, UPSTREAM_BACKOFF_LOGIN);
}

static enum upstream_backoff kind_of(enum upstream_class class, unsigned code)
{
	switch (class) {
	case UPSTREAM_ACCOUNT:
		return UPSTREAM_BACKOFF_ACCOUNT;
	case UPSTREAM_TENANT:
		return UPSTREAM_BACKOFF_TENANT;
	case UPSTREAM_THROTTLED:
		return code == 432 ? UPSTREAM_BACKOFF_CROWDED : UPSTREAM_BACKOFF_THROTTLED;
	case UPSTREAM_LOGIN:
		return UPSTREAM_BACKOFF_LOGIN;
	case UPSTREAM_TRANSPORT:
	case UPSTREAM_ACCEPTED:
	case UPSTREAM_RECIPIENTS:
	case UPSTREAM_SENDER:
	case UPSTREAM_MESSAGE:
	case UPSTREAM_UNABLE:
	case UPSTREAM_BUSY:
	case UPSTREAM_STORAGE:
	case UPSTREAM_UNKNOWN:
		break;
	}
	return UPSTREAM_BACKOFF_NONE;
}

void upstream_backoff_on_refusal(struct upstream_account *account, enum upstream_class class, unsigned code,
				 const struct upstream_verdict *verdict, const char *reason)
{
	enum upstream_backoff kind = kind_of(class, code);
	account->pool->silences = 0;
	if (kind != UPSTREAM_BACKOFF_NONE && verdict->may_back_off)
		begin_backoff(account, kind, verdict->hint_ms, reason);
}

void upstream_backoff_on_silence(const struct upstream_attempt *u, const char *reason)
{
	struct upstream_pool *pool = u->pool;
	bool on_probation = backoffs_length_ms(pool->options.backoffs, u->account->keys[UPSTREAM_BACKOFF_SILENT]) != 0;
	if (pool->silences == 0) {
		pool->silent_user = u->user;
		pool->silent_to_all = false;
	}
	pool->silences++;
	pool->silent_to_all |= u->user != pool->silent_user;
	if (!on_probation && (pool->silences < SILENCES || !pool->silent_to_all))
		return;
	pool->silences = 0;
	begin_backoff(u->account, UPSTREAM_BACKOFF_SILENT, 0, reason);
}

void upstream_backoff_on_accepted(struct upstream_account *account)
{
	static const enum upstream_backoff proven[] = { UPSTREAM_BACKOFF_CROWDED, UPSTREAM_BACKOFF_SILENT,
							UPSTREAM_BACKOFF_THROTTLED, UPSTREAM_BACKOFF_ACCOUNT,
							UPSTREAM_BACKOFF_TENANT };
	account->pool->silences = 0;
	for (size_t i = 0; i < sizeof(proven) / sizeof(proven[0]); i++) {
		/* One that began while this message was under way stays. */
		if (left_ms(account, proven[i]) == 0)
			end_backoff(account, proven[i]);
	}
}

void upstream_pool_pause(struct upstream_pool *pool)
{
	const struct upstream_account *account = configured_account(pool);
	backoffs_begin(pool->options.backoffs, account->keys[UPSTREAM_BACKOFF_PAUSED], BACKOFF_UNTIL_ENDED,
		       "paused by an administrator");
	upstream_pool_wake(pool);
}

void upstream_pool_resume(struct upstream_pool *pool)
{
	const struct upstream_account *account;
	pool->silences = 0;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		for (enum upstream_backoff kind = UPSTREAM_BACKOFF_CONNECT; kind < UPSTREAM_BACKOFF_KINDS; kind++)
			end_backoff(account, kind);
	}
	upstream_pool_wake(pool);
}
