/*
 * How many connections to an upstream one user may have: never so many that
 * others find none. A user without one may always take one. A user with some may
 * take one more while at least two are free and the user has fewer than twice as
 * many as are free. That makes about two thirds of all for a user who is alone,
 * and the fewer the more the others have.
 *
 * Owns an entry for each user with an attempt in the pool; mail of nobody has one without a limit.
 */
#include <stdlib.h>

#include "relay/upstream/private.h"

static struct upstream_share *find_share(const struct upstream_pool *pool, uint64_t user)
{
	struct map_link *link = map_first(&pool->shares, map_hash_number(&pool->shares, user));
	for (; link; link = map_next(link)) {
		struct upstream_share *share = MAP_OWNER(link, struct upstream_share, in_map);
		if (share->user == user)
			return share;
	}
	return NULL;
}

static struct upstream_share *make_share(struct upstream_pool *pool, uint64_t user)
{
	struct upstream_share *share = calloc(1, sizeof(*share));
	if (share == NULL)
		return NULL;
	share->user = user;
	TAILQ_INIT(&share->lines);
	if (map_add(&pool->shares, &share->in_map, map_hash_number(&pool->shares, user)) != STATUS_OK) {
		free(share);
		return NULL;
	}
	return share;
}

struct upstream_share *upstream_share_hold(struct upstream_pool *pool, uint64_t user, bool is_limited)
{
	struct upstream_share *share = find_share(pool, user);
	if (share == NULL)
		share = make_share(pool, user);
	if (share == NULL)
		return NULL;
	share->is_limited = is_limited;
	share->attempts++;
	return share;
}

void upstream_share_release(struct upstream_pool *pool, struct upstream_share **share)
{
	struct upstream_share *released = *share;
	*share = NULL;
	if (released == NULL || --released->attempts)
		return;
	map_remove(&pool->shares, &released->in_map);
	free(released);
}

void upstream_share_take(struct upstream_attempt *u)
{
	u->pool->carried++;
	u->share->carried++;
}

void upstream_share_give(struct upstream_attempt *u)
{
	u->pool->carried--;
	u->share->carried--;
}

static bool may_hold_more(size_t held, size_t connections, size_t carried)
{
	size_t left = carried < connections ? connections - carried : 0;
	return held == 0 || (left >= 2 && held < 2 * left);
}

bool upstream_share_allows(const struct upstream_attempt *u)
{
	const struct upstream_pool *pool = u->pool;
	return !u->share->is_limited || may_hold_more(u->share->carried, pool->relay->connections, pool->carried);
}

/* In the turn's plan, with so many planned already. */
static bool may_plan(const struct upstream_attempt *u, size_t planned)
{
	const struct upstream_pool *pool = u->pool;
	const struct upstream_share *share = u->share;
	size_t held = share->carried + (share->plan == pool->plan ? share->planned : 0);
	return u->account->placeable + u->account->tally.busy < upstream_account_limit(u->account) &&
	       (!share->is_limited || may_hold_more(held, pool->relay->connections, pool->carried + planned));
}

static void note_planned(struct upstream_attempt *u)
{
	struct upstream_pool *pool = u->pool;
	if (u->share->plan != pool->plan)
		u->share->planned = 0;
	u->share->plan = pool->plan;
	u->share->planned++;
	if (u->account->placeable++ == 0)
		TAILQ_INSERT_TAIL(&pool->planned, u->account, in_plan);
}

void upstream_share_plan(struct upstream_pool *pool)
{
	struct upstream_account *account;
	struct upstream_attempt *u;
	size_t planned = 0, connections = pool->relay->connections;
	pool->plan++;
	TAILQ_INIT(&pool->planned);
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool))
		account->placeable = 0;
	while (pool->carried + planned < connections &&
	       (u = upstream_queue_first(&pool->lines, UPSTREAM_BY_POOL)) != NULL) {
		if (may_plan(u, planned)) {
			note_planned(u);
			planned++;
			upstream_queue_pass(u, UPSTREAM_BY_POOL);
		} else {
			upstream_queue_pass_line(u, UPSTREAM_BY_POOL); /* what follows may as little */
		}
	}
	upstream_queue_rewind(pool);
}
