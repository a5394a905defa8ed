/*
 * Which attempt gives its connection to one that waits: an attempt whose owner
 * is silent, or whose envelope takes long while its user has several connections
 * and the waiting user has none, or while it alone holds an account on
 * probation. Its envelope is said again later.
 *
 * How it fails: an envelope that is slow by nature would never end if it were
 * cut off each time, so it gets twice as long with each try.
 */
#include "relay/upstream/private.h"

/* waiting attempts in one turn: as users take turns, the first ones belong to many users */
#define CONSIDERED_MAXIMUM 64
#define LOOKED_AT_MAXIMUM 1024 /* in search of them */

static bool is_stuck(const struct upstream_account *account)
{
	return account->opening_backoff != UPSTREAM_BACKOFF_NONE || account->on_probation ||
	       !upstream_pool_has_room(account);
}

/* When the connection's attempt must give way if some other needs it, by the loop's clock; UINT64_MAX: never. */
static uint64_t patience_ends_ms(const struct upstream_connection *c)
{
	const struct upstream_attempt *v = c->attempt;
	if (v == NULL || v->trial)
		return UINT64_MAX;
	if (v->state == UPSTREAM_OPEN && !v->is_due)
		return v->silent_since_ms + UPSTREAM_PATIENCE_MS;
	return v->state == UPSTREAM_ENVELOPE ? v->asked_ms + v->patience_ms : UINT64_MAX;
}

/* `w` may if its user has no connection, or if `v` is the same user's and silent; on probation any attempt may. */
static bool may_displace(const struct upstream_attempt *w, const struct upstream_attempt *v)
{
	const struct upstream_account *account = w->account;
	bool has_none = !w->share->is_limited || w->share->carried == 0;
	if (account->tally.all >= upstream_account_limit(account) && account != v->account)
		return false;
	if (account->on_probation && account == v->account)
		return true;
	if (v->state == UPSTREAM_OPEN)
		return has_none || w->share == v->share || account->opening_backoff != UPSTREAM_BACKOFF_NONE;
	return has_none && v->share->is_limited && w->share != v->share && v->share->carried > 1;
}

/* The attempt whose patience ended first. */
static struct upstream_attempt *find_to_yield(const struct upstream_attempt *w)
{
	uint64_t now = loop_now_ms(w->pool->loop), first_ms = UINT64_MAX;
	const struct upstream_connection *c;
	struct upstream_attempt *found = NULL;
	for (c = TAILQ_FIRST(&w->pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		uint64_t ends_ms = patience_ends_ms(c);
		if (ends_ms > now || ends_ms >= first_ms || !may_displace(w, c->attempt))
			continue;
		found = c->attempt;
		first_ms = ends_ms;
	}
	return found;
}

static uint64_t first_patience_ends_ms(const struct upstream_pool *pool)
{
	uint64_t first_ms = UINT64_MAX;
	const struct upstream_connection *c;
	for (c = TAILQ_FIRST(&pool->connections); c; c = TAILQ_NEXT(c, in_pool)) {
		uint64_t ends_ms = patience_ends_ms(c);
		first_ms = ends_ms < first_ms ? ends_ms : first_ms;
	}
	return first_ms;
}

/* True when some attempt waits for more than the connections that are on their way. */
static bool is_any_stuck(struct upstream_pool *pool)
{
	struct upstream_account *account;
	bool any = false;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		account->coming = account->tally.connecting + account->tally.resetting;
		any |= account->waiting > account->placeable ||
		       (account->waiting > account->coming && is_stuck(account));
	}
	return any;
}

static void yield_connection(struct upstream_attempt *v)
{
	if (v->state == UPSTREAM_OPEN)
		upstream_park(v);
	else
		upstream_give_way(v);
}

/* False: it needs nobody's, as its account's connections are on their way or can be opened. */
static bool needs_connection(struct upstream_attempt *w)
{
	bool has_its_share = !upstream_share_allows(w);
	return !w->trial && (has_its_share || is_stuck(w->account));
}

static void yield_to(struct upstream_attempt *w)
{
	struct upstream_attempt *v;
	if (w->account->coming && upstream_share_allows(w))
		w->account->coming--;
	else if ((v = find_to_yield(w)) != NULL)
		yield_connection(v);
}

static void yield_to_waiting(struct upstream_pool *pool)
{
	struct upstream_attempt *w;
	unsigned considered = 0, looked_at = 0;
	while (considered < CONSIDERED_MAXIMUM && looked_at++ < LOOKED_AT_MAXIMUM &&
	       (w = upstream_queue_first(&pool->lines, UPSTREAM_BY_POOL)) != NULL) {
		if (!needs_connection(w)) {
			upstream_queue_pass_line(w, UPSTREAM_BY_POOL);
			continue;
		}
		considered++;
		upstream_queue_pass(w, UPSTREAM_BY_POOL);
		yield_to(w);
	}
	upstream_queue_rewind(pool);
}

void upstream_yield(struct upstream_pool *pool, uint64_t *out_next_ms)
{
	uint64_t now = loop_now_ms(pool->loop), first_ms;
	if (!is_any_stuck(pool) || (first_ms = first_patience_ends_ms(pool)) == UINT64_MAX)
		return;
	if (first_ms <= now) {
		yield_to_waiting(pool);
		first_ms = now + UPSTREAM_PATIENCE_MS / 4; /* no attempt in need may displace that one yet */
	}
	if (first_ms < *out_next_ms)
		*out_next_ms = first_ms;
}
