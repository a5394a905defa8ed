/*
 * Refunds on their way to Redis. Each is sent until Redis has answered, with
 * back-off, for as long as a day can last: then it would change nothing.
 * Owns a copy of user and token of each.
 */
#include <stdlib.h>
#include <string.h>

#include "quota/quota_private.h"

#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 30000
#define KEEP_MS (48U * 3600U * 1000U) /* the longest day that day.lua makes, and more */

/* Invariant: `calling` while Redis owes an answer; else it waits for the timer. */
struct refund {
	struct quota_refunds *refunds;
	struct refund *next;
	struct refund **link; /* what points here */
	struct buf key;
	struct buf token;
	uint64_t since_ms;
	bool calling;
};

struct quota_refunds {
	struct loop *loop;
	struct redis *redis;
	const char *prefix;
	struct redis_script script;
	struct refund *first;
	size_t count;
	struct timer *retry;
	uint64_t retry_ms;
};

static void forget_refund(struct refund *refund)
{
	struct quota_refunds *refunds = refund->refunds;
	*refund->link = refund->next;
	if (refund->next)
		refund->next->link = refund->link;
	refunds->count--;
	buf_free(&refund->key);
	buf_free(&refund->token);
	free(refund);
}

static void retry_later(struct refund *refund)
{
	struct quota_refunds *refunds = refund->refunds;
	refund->calling = false;
	if (loop_now_ms(refunds->loop) - refund->since_ms > KEEP_MS) {
		forget_refund(refund);
		return;
	}
	timer_set(refunds->retry, refunds->retry_ms);
}

static void on_refunded(void *context, enum status status, const struct redis_value *value)
{
	struct refund *refund = context;
	if (status == STATUS_OK && redis_value_type(value) == REDIS_INTEGER) {
		refund->refunds->retry_ms = RETRY_FIRST_MS;
		forget_refund(refund);
		return;
	}
	retry_later(refund);
}

static void send_refund(struct refund *refund)
{
	struct span arguments[2] = { buf_span(&refund->key), buf_span(&refund->token) };
	refund->calling = true;
	if (redis_run_script(refund->refunds->redis, &refund->refunds->script, arguments, 2, 1, QUOTA_CALL_MS,
			     on_refunded, refund) != STATUS_OK)
		retry_later(refund);
}

static void on_retry(void *context)
{
	struct quota_refunds *refunds = context;
	refunds->retry_ms = refunds->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : refunds->retry_ms * 2;
	for (struct refund *refund = refunds->first, *next; refund; refund = next) {
		next = refund->next;
		if (!refund->calling)
			send_refund(refund);
	}
}

enum status quota_refunds_create(struct loop *loop, struct redis *redis, const char *prefix,
				 struct quota_refunds **out_refunds)
{
	struct quota_refunds *refunds = calloc(1, sizeof(*refunds));
	if (refunds == NULL)
		return STATUS_NO_MEMORY;
	*refunds = (struct quota_refunds){ .loop = loop, .redis = redis, .prefix = prefix, .retry_ms = RETRY_FIRST_MS };
	enum status status = redis_script_init(&refunds->script, quota_refund_source);
	if (status == STATUS_OK)
		status = timer_make(loop, on_retry, refunds, &refunds->retry);
	if (status != STATUS_OK) {
		free(refunds);
		return status;
	}
	*out_refunds = refunds;
	return STATUS_OK;
}

void quota_refunds_free(struct quota_refunds **refunds)
{
	if (*refunds == NULL)
		return;
	while ((*refunds)->first)
		forget_refund((*refunds)->first);
	timer_free(&(*refunds)->retry);
	free(*refunds);
	*refunds = NULL;
}

void quota_refunds_add(struct quota_refunds *refunds, struct span user, struct span token)
{
	struct refund *refund = calloc(1, sizeof(*refund));
	if (refund == NULL)
		return; /* out of memory: the message stays charged, which is never over quota */
	*refund = (struct refund){ .refunds = refunds, .since_ms = loop_now_ms(refunds->loop) };
	buf_init(&refund->key, QUOTA_KEY_MAXIMUM);
	buf_init(&refund->token, QUOTA_TOKEN_MAXIMUM);
	refund->next = refunds->first;
	refund->link = &refunds->first;
	if (refund->next)
		refund->next->link = &refund->next;
	refunds->first = refund;
	refunds->count++;
	if (quota_write_key(&refund->key, refunds->prefix, "quota", user) != STATUS_OK ||
	    buf_append(&refund->token, token) != STATUS_OK) {
		forget_refund(refund);
		return;
	}
	send_refund(refund);
}

size_t quota_refunds_count(const struct quota_refunds *refunds)
{
	return refunds->count;
}
