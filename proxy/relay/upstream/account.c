/* The accounts at an upstream. Owns them; the pool itself holds the configured one. */
#include <stdlib.h>
#include <string.h>

#include "relay/upstream/private.h"

static struct upstream_account *make_account(struct upstream_pool *pool, struct span mailbox)
{
	const struct config_relay *relay = pool->relay;
	struct upstream_account *account = calloc(1, sizeof(*account) + mailbox.size + 1);
	if (account == NULL)
		return NULL;
	if (mailbox.size)
		memcpy(account->mailbox, mailbox.data, mailbox.size);
	account->pool = pool;
	upstream_backoff_make_keys(account);
	const char *name = account->mailbox[0] ? account->mailbox : relay->user;
	account->slot_key = backoffs_key("slots", relay->host, name);
	TAILQ_INSERT_TAIL(&pool->accounts, account, in_pool);
	return account;
}

struct upstream_account *upstream_account_hold(struct upstream_pool *pool, struct span mailbox)
{
	struct upstream_account *account;
	for (account = TAILQ_FIRST(&pool->accounts); account; account = TAILQ_NEXT(account, in_pool)) {
		if (span_equal(span_of(account->mailbox), mailbox))
			break;
	}
	if (account == NULL)
		account = make_account(pool, mailbox);
	if (account)
		account->users++;
	return account;
}

void upstream_account_release(struct upstream_account **account)
{
	struct upstream_account *released = *account;
	*account = NULL;
	if (released == NULL || --released->users)
		return;
	if (released->wants_slot)
		slots_want(released->pool->options.slots, released->slot_key, false);
	TAILQ_REMOVE(&released->pool->accounts, released, in_pool);
	free(released);
}

unsigned upstream_account_limit(const struct upstream_account *account)
{
	const struct config_relay *relay = account->pool->relay;
	return (unsigned)(relay->per_sender ? relay->connections_per_sender : relay->connections);
}
