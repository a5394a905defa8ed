/*
 * Quota: its parts, and what was seen lately, by which a message is refused
 * before it is taken. Owns what it made; borrows the Redis client.
 */
#include "quota/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "quota/leases.h"
#include "quota/memory.h"
#include "quota/quota_private.h"

static enum status make_parts(struct quota *quota, const char *prefix, const char *zone)
{
	TRY(quota_day_set_zone(zone));
	TRY(redis_script_init(&quota->charge, quota_charge_source));
	TRY(redis_script_init(&quota->show, quota_show_source));
	TRY(quota_recent_create(&quota->recent));
	quota->prefix = strdup(prefix);
	if (quota->prefix == NULL)
		return STATUS_NO_MEMORY;
	TRY(by_hand_init(&quota->by_hand, quota->redis, quota->prefix));
	return quota_refunds_create(quota->loop, quota->redis, quota->prefix, &quota->refunds);
}

enum status quota_create(struct loop *loop, struct redis *redis, const char *prefix, const char *zone,
			 struct quota **out_quota)
{
	struct quota *quota = calloc(1, sizeof(*quota));
	if (quota == NULL)
		return STATUS_NO_MEMORY;
	quota->loop = loop;
	quota->redis = redis;
	quota->shows = (struct quota_batch){ .quota = quota, .what = SPAN("show") };
	quota->histories = (struct quota_batch){ .quota = quota, .what = SPAN("history") };
	quota->resets = (struct quota_batch){ .quota = quota, .what = SPAN("reset") };
	enum status status = make_parts(quota, prefix, zone);
	if (status != STATUS_OK) {
		quota_free(&quota);
		return status;
	}
	*out_quota = quota;
	return STATUS_OK;
}

void quota_free(struct quota **quota_at)
{
	struct quota *quota = *quota_at;
	if (quota == NULL)
		return;
	quota_batch_free(&quota->shows);
	quota_batch_free(&quota->histories);
	quota_batch_free(&quota->resets);
	leases_free(&quota->leases);
	quota_refunds_free(&quota->refunds);
	quota_recent_free(&quota->recent);
	free(quota->prefix);
	free(quota);
	*quota_at = NULL;
}

static void on_old(void *context, struct span name, struct span token)
{
	quota_recent_settle(((struct quota *)context)->recent, name, token);
}

void quota_use_memory(struct quota *quota, struct memory *memory)
{
	quota->memory = memory;
	memory_tell_old(memory, on_old, quota);
	if (quota->is_rolling)
		memory_roll_days(memory);
}

bool quota_may_charge(struct quota *quota, struct span *out_why)
{
	return quota->memory == NULL || memory_may_charge(quota->memory, out_why);
}

enum status quota_do_without(struct quota *quota, struct span node)
{
	return quota->memory ? memory_do_without(quota->memory, node) : STATUS_NOT_FOUND;
}

void quota_want_replicas(struct quota *quota, uint64_t replicas)
{
	quota->by_hand.replicas = replicas;
}

void quota_roll_days(struct quota *quota)
{
	quota->is_rolling = true;
}

/* ---- what becomes of a charge */

/* While it may have to be repeated, Redis must not forget its token. */
static void settle_name(struct quota *quota, struct span name, struct span token)
{
	if (quota->memory)
		memory_settle(quota->memory, name, token);
	else
		quota_recent_settle(quota->recent, name, token);
}

static void settle_shared(struct quota *quota, const struct quota_limits *limits, struct span token)
{
	char name[QUOTA_USER_MAXIMUM];
	if (limits->shared && quota_name_shared(limits->shared->name, name) == STATUS_OK)
		settle_name(quota, span_of(name), token);
}

static void refund_name(struct quota *quota, struct span name, struct span token)
{
	quota_recent_forget(quota->recent, name);
	if (quota->memory)
		memory_drop(quota->memory, name, token);
	quota_refunds_add(quota->refunds, name, token);
}

void quota_settle(struct quota *quota, struct span user, const struct quota_limits *limits, struct span token)
{
	settle_name(quota, user, token);
	settle_shared(quota, limits, token);
}

void quota_refund(struct quota *quota, struct span user, const struct quota_limits *limits, struct span token)
{
	char name[QUOTA_USER_MAXIMUM];
	refund_name(quota, user, token);
	if (limits->shared && quota_name_shared(limits->shared->name, name) == STATUS_OK)
		refund_name(quota, span_of(name), token);
}

size_t quota_refunds_pending(const struct quota *quota)
{
	return quota_refunds_count(quota->refunds);
}

/* ---- what was seen lately */

void quota_forget_seen(struct quota *quota, struct span name)
{
	quota_recent_forget(quota->recent, name);
}

/* Of the state's limits, in force a moment ago. */
static bool find_exhausted(struct quota_state *state)
{
	const struct quota_limits *limits = &state->limits;
	const struct {
		uint64_t used, limit;
		const char *unit;
	} units[] = { { state->messages, limits->messages_per_day, "messages" },
		      { state->recipients, limits->recipients_per_day, "recipients" } };
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].limit == 0 || units[i].used < units[i].limit)
			continue;
		state->used = units[i].used;
		state->limit = units[i].limit;
		state->unit = units[i].unit;
		return true;
	}
	return false;
}

/* A count held against the limits of another section says nothing of these. */
static bool is_name_exhausted(struct quota *quota, struct span name, const char *section, struct quota_state *out_state)
{
	struct quota_state state;
	if (!quota_recent_get(quota->recent, name, loop_now_ms(quota->loop), &state) || state.limits.section != section)
		return false;
	if (clock_wall_us() / 1000000 >= state.resets_at || !find_exhausted(&state))
		return false; /* the first: the day that was counted is over */
	*out_state = state;
	return true;
}

bool quota_is_exhausted(struct quota *quota, struct span user, const struct quota_limits *limits,
			struct quota_state *out_state)
{
	char name[QUOTA_USER_MAXIMUM];
	if (is_name_exhausted(quota, user, limits->section, out_state))
		return true;
	if (limits->shared == NULL || quota_name_shared(limits->shared->name, name) != STATUS_OK ||
	    !is_name_exhausted(quota, span_of(name), limits->shared->name, out_state))
		return false;
	out_state->shared = limits->shared->name;
	return true;
}
