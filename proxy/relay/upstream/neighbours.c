/*
 * The other relay processes of this node, which a reload or two left over: they
 * share each account's slots with us (slots.h). A process without a connection
 * says that it wants a slot, and one that has some gives one up, so that none
 * starves while the newest process has all the work. Owns nothing.
 */
#include "relay/upstream/private.h"

#define GIVE_MS 300  /* after giving one, before giving or taking another: the first must have been found */
#define KEEP_MS 1000 /* how long an account keeps its only connection: otherwise logins would outnumber messages */

/* A process without neighbours need not ask the kernel. */
static bool may_have_neighbours(const struct upstream_pool *pool)
{
	return pool->draining || loop_now_ms(pool->loop) < pool->neighbours_until_ms;
}

void upstream_neighbours_survey(struct upstream_pool *pool)
{
	struct upstream_account *account;
	uint64_t now = loop_now_ms(pool->loop);
	bool may = may_have_neighbours(pool);
	if (may && now - pool->looked_ms < UPSTREAM_SLOT_RETRY_MS)
		return;
	pool->looked_ms = now;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool))
		account->slot_is_wanted =
			may && account->tally.all && slots_are_wanted(pool->options.slots, account->slot_key);
}

uint64_t upstream_neighbours_next_ms(const struct upstream_pool *pool)
{
	if (TAILQ_EMPTY(&pool->connections) || !may_have_neighbours(pool))
		return UINT64_MAX;
	return pool->looked_ms + UPSTREAM_SLOT_RETRY_MS;
}

static bool has_just_given(const struct upstream_account *account)
{
	return account->gave_ms && loop_now_ms(account->pool->loop) - account->gave_ms < GIVE_MS;
}

bool upstream_neighbours_come_first(const struct upstream_account *account)
{
	return (account->slot_is_wanted && account->tally.all) || has_just_given(account);
}

void upstream_neighbours_note_opened(struct upstream_account *account)
{
	if (account->wants_slot)
		account->got_ms = loop_now_ms(account->pool->loop);
}

/* The idle connection that was busy longest ago; NULL: none can be spared now. */
static struct upstream_connection *find_to_give(const struct upstream_account *account)
{
	uint64_t now = loop_now_ms(account->pool->loop);
	struct upstream_connection *c;
	if (has_just_given(account))
		return NULL;
	for (c = TAILQ_LAST(&account->pool->connections, upstream_connections); c;
	     c = TAILQ_PREV(c, upstream_connections, in_pool)) {
		if (c->state == CONNECTION_IDLE && c->account == account && c->trial == NULL)
			break;
	}
	return account->tally.all > 1 || now - account->got_ms >= KEEP_MS ? c : NULL;
}

void upstream_neighbours_give(struct upstream_pool *pool)
{
	struct upstream_account *account;
	struct upstream_connection *c;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		if (!account->slot_is_wanted || (c = find_to_give(account)) == NULL)
			continue;
		account->gave_ms = loop_now_ms(pool->loop);
		account->tally.idle--;
		upstream_connection_quit(c);
	}
}

void upstream_neighbours_ask(struct upstream_pool *pool)
{
	struct upstream_account *account;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		bool wants = account->waiting && account->slots_are_taken && account->tally.all == 0;
		if (wants != account->wants_slot)
			slots_want(pool->options.slots, account->slot_key, wants);
		account->wants_slot = wants;
	}
}
