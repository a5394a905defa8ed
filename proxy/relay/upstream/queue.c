/*
 * The attempts that wait for a connection. A list sorted by turns: an attempt's
 * turn is the one after that of its user's last waiting attempt or, if there is
 * none, the current one. So users share connections evenly, however many each
 * of them wants.
 */
#include "relay/upstream/private.h"

static uint64_t next_turn(const struct upstream_attempt *u)
{
	const struct upstream_attempt *other;
	for (other = TAILQ_LAST(&u->pool->waiting, upstream_attempts); other;
	     other = TAILQ_PREV(other, upstream_attempts, in_waiting)) {
		if (other->user == u->user && other->turn >= u->pool->turn_now)
			return other->turn + 1;
	}
	return u->pool->turn_now;
}

static void count_waiting(struct upstream_attempt *u)
{
	u->pool->waiting_count++;
	u->account->waiting++;
}

void upstream_queue_enter(struct upstream_attempt *u)
{
	struct upstream_attempt *other;
	u->turn = next_turn(u);
	count_waiting(u);
	for (other = TAILQ_LAST(&u->pool->waiting, upstream_attempts); other;
	     other = TAILQ_PREV(other, upstream_attempts, in_waiting)) {
		if (other->turn <= u->turn) {
			TAILQ_INSERT_AFTER(&u->pool->waiting, other, u, in_waiting);
			return;
		}
	}
	TAILQ_INSERT_HEAD(&u->pool->waiting, u, in_waiting);
}

void upstream_queue_enter_first(struct upstream_attempt *u)
{
	u->turn = 0;
	count_waiting(u);
	TAILQ_INSERT_HEAD(&u->pool->waiting, u, in_waiting);
}

void upstream_queue_leave(struct upstream_attempt *u)
{
	if (u->state != UPSTREAM_WAITING)
		return;
	TAILQ_REMOVE(&u->pool->waiting, u, in_waiting);
	if (u->turn > u->pool->turn_now)
		u->pool->turn_now = u->turn;
	u->pool->waiting_count--;
	u->account->waiting--;
}
