/*
 * How many connections to an upstream one user may have: never so many that
 * others find none. A user without one may always take one. A user with some may
 * take one more while at least two are free and the user has fewer than twice as
 * many as are free. That makes about two thirds of all for a user who is alone,
 * and the fewer the more the others have.
 *
 * Owns an entry for each user with an attempt in the pool.
 */
#include <stdlib.h>

#include "relay/upstream/private.h"

static struct upstream_shares *bucket_of(struct upstream_pool *pool, uint64_t user)
{
	return &pool->shares[(user ^ user >> 32) % UPSTREAM_SHARE_BUCKETS];
}

struct upstream_share *upstream_share_hold(struct upstream_pool *pool, uint64_t user)
{
	struct upstream_shares *bucket = bucket_of(pool, user);
	struct upstream_share *share;
	for (share = TAILQ_FIRST(bucket); share && share->user != user; share = TAILQ_NEXT(share, in_bucket))
		;
	if (share == NULL) {
		share = calloc(1, sizeof(*share));
		if (share == NULL)
			return NULL;
		share->user = user;
		TAILQ_INSERT_HEAD(bucket, share, in_bucket);
	}
	share->attempts++;
	return share;
}

void upstream_share_release(struct upstream_pool *pool, struct upstream_share **share)
{
	struct upstream_share *released = *share;
	*share = NULL;
	if (released == NULL || --released->attempts)
		return;
	TAILQ_REMOVE(bucket_of(pool, released->user), released, in_bucket);
	free(released);
}

void upstream_share_take(struct upstream_attempt *u)
{
	u->pool->carried++;
	if (u->share)
		u->share->carried++;
}

void upstream_share_give(struct upstream_attempt *u)
{
	u->pool->carried--;
	if (u->share)
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
	return u->share == NULL || may_hold_more(u->share->carried, pool->relay->connections, pool->carried);
}

void upstream_share_plan(struct upstream_pool *pool)
{
	struct upstream_account *account;
	const struct upstream_attempt *u;
	size_t planned = 0, connections = pool->relay->connections;
	pool->plan++;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool))
		account->placeable = 0;
	for (u = TAILQ_FIRST(&pool->waiting); u && pool->carried + planned < connections;
	     u = TAILQ_NEXT(u, in_waiting)) {
		struct upstream_share *share = u->share;
		if (share && share->plan != pool->plan) {
			share->plan = pool->plan;
			share->planned = 0;
		}
		if (u->account->placeable + u->account->tally.busy >= upstream_account_limit(u->account) ||
		    (share && !may_hold_more(share->carried + share->planned, connections, pool->carried + planned)))
			continue;
		u->account->placeable++;
		planned++;
		if (share)
			share->planned++;
	}
}
