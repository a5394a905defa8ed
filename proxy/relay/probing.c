/*
 * Refused recipients of a user. They are counted before the client hears of
 * them, and no relay is asked for more recipients at a time than may still be
 * refused within the hour. So one login does not find out whole lists of
 * addresses, not even by many sessions at once. Mail whose recipients are all
 * accepted costs no call to Redis.
 *
 * What is known of a user between two calls is in their struct probing; Redis
 * has the truth. How it fails: without Redis, a refusal becomes a temporary one.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/delivery_private.h"

#define LOOK_AGAIN_MS 1000 /* after a call that failed */

static uint64_t limit_of_refused(const struct delivery *delivery)
{
	return delivery->grant->limits.refused_recipients_per_hour;
}

static uint64_t loops_now_ms(const struct delivery *delivery)
{
	return loop_now_ms(delivery->all->services->loop);
}

/* ---- what Redis says */

static void tell_administrator(struct delivery *delivery, const struct refused_count *count)
{
	const struct grant *grant = delivery->grant;
	const struct quota_state state = {
		.used = count->refused, .limit = count->limit, .unit = "refused recipients", .resets_at = count->free_at
	};
	log_warning("%.*s: %" PRIu64 " recipients refused within an hour (refused_recipients_per_hour): no others are "
		    "asked for for now",
		    SPAN_ARGS(grant->user), count->refused);
	records_quota_exceeded(delivery->all->services->audit, grant, &state);
}

/* NULL: it could not be asked. */
static void note_count(struct delivery *delivery, const struct refused_count *count)
{
	struct user *user = users_find(delivery->all->services->users, delivery->grant->user);
	if (count && count->is_reached)
		tell_administrator(delivery, count);
	if (user == NULL)
		return;
	user->probing.stale_ms = loops_now_ms(delivery) + (count ? (count->free_in_s + 1) * 1000 : LOOK_AGAIN_MS);
	if (count)
		user->probing.refused = count->refused;
}

/* ---- waiting */

static void wait_for_others(struct delivery *delivery)
{
	struct delivery **at = &delivery->user->probing.waiting;
	if (delivery->waits)
		return;
	while (*at)
		at = &(*at)->next_waiting;
	*at = delivery;
	delivery->next_waiting = NULL;
	delivery->waits = true;
}

static void stop_waiting(struct delivery *delivery)
{
	if (!delivery->waits)
		return;
	struct delivery **at = &delivery->user->probing.waiting;
	while (*at != delivery)
		at = &(*at)->next_waiting;
	*at = delivery->next_waiting;
	delivery->waits = false;
}

/* Each delivery that waits looks once more, in its turn, whether it may ask. */
static void wake_waiting(struct user *user)
{
	for (struct delivery *delivery = user->probing.waiting; delivery; delivery = delivery->next_waiting)
		delivery_wake_with_news(delivery);
}

/* ---- before an upstream is asked */

static void on_looked(void *context, const struct refused_count *count)
{
	struct delivery *delivery = context;
	struct user *user = users_find(delivery->all->services->users, delivery->grant->user);
	delivery->callbacks--;
	note_count(delivery, count);
	if (user) {
		user->probing.is_looking = false;
		wake_waiting(user);
	}
	delivery_wake(delivery);
}

/* True when the answer is to be waited for. */
static bool look_at_count(struct delivery *delivery)
{
	struct probing *probing = &delivery->user->probing;
	if (probing->refused == 0 || loops_now_ms(delivery) < probing->stale_ms)
		return false;
	if (probing->is_looking)
		return true;
	enum status status = refused_count(delivery->all->services->refused, delivery->grant->user,
					   limit_of_refused(delivery), 0, on_looked, delivery);
	probing->is_looking = status == STATUS_OK;
	delivery->callbacks += status == STATUS_OK;
	if (status != STATUS_OK)
		note_count(delivery, NULL);
	return status == STATUS_OK;
}

static void refuse_new_recipients(struct delivery *delivery)
{
	const struct refusal refusal = { ANSWER_PROBING, REFUSAL_PROBING, SPAN("too many refused recipients") };
	recipients_refuse_new(&delivery->recipients, refusal.reply);
	if (!delivery->refusal_recorded)
		refusal_note(delivery, &refusal);
}

bool probing_admit(struct delivery *delivery)
{
	uint64_t limit = limit_of_refused(delivery);
	size_t wanted = recipients_unasked(&delivery->recipients);
	if (limit == 0 || wanted == 0) {
		stop_waiting(delivery);
		recipients_release(&delivery->recipients, wanted);
		return wanted > 0;
	}
	if (look_at_count(delivery)) {
		wait_for_others(delivery);
		return false;
	}
	const struct probing *probing = &delivery->user->probing;
	if (probing->refused >= limit) {
		stop_waiting(delivery);
		refuse_new_recipients(delivery);
		return false;
	}
	size_t left = (size_t)(limit - probing->refused);
	size_t room = probing->in_flight < left ? left - probing->in_flight : 0;
	if (room > 0)
		stop_waiting(delivery); /* after it got some, the others come first */
	if (room < wanted)
		wait_for_others(delivery);
	recipients_release(&delivery->recipients, room);
	return room > 0;
}

void probing_recount(struct delivery *delivery)
{
	size_t before = delivery->in_flight;
	if (delivery->user == NULL)
		return;
	delivery->in_flight = recipients_in_flight(&delivery->recipients);
	delivery->user->probing.in_flight += delivery->in_flight - before;
	if (delivery->in_flight < before)
		wake_waiting(delivery->user);
}

void probing_leave(struct delivery *delivery)
{
	size_t before = delivery->in_flight;
	if (delivery->user == NULL)
		return;
	stop_waiting(delivery);
	delivery->in_flight = 0;
	delivery->user->probing.in_flight -= before;
	if (before)
		wake_waiting(delivery->user);
}

/* ---- before the client hears of it */

static void on_counted(void *context, const struct refused_count *count)
{
	struct delivery *delivery = context;
	delivery->callbacks--;
	delivery->is_counting = false;
	note_count(delivery, count);
	size_t hidden = recipients_end_count(&delivery->recipients, count ? (size_t)count->counted : 0,
					     count ? ANSWER_PROBING : ANSWER_QUOTA_UNKNOWN);
	if (hidden)
		stats_add(delivery->all->services->stats, COUNTER_REFUSED, count ? REFUSAL_PROBING : REFUSAL_REDIS,
			  hidden);
	delivery_wake_with_news(delivery);
}

bool probing_holds_report(struct delivery *delivery)
{
	if (limit_of_refused(delivery) == 0 || delivery->is_counting)
		return delivery->is_counting;
	/*
	 * While some wait for room, refused ones of a group that is half answered are counted: the rest of that very
	 * group may be what waits.
	 */
	bool some_wait = delivery->user && delivery->user->probing.waiting;
	size_t more = recipients_begin_count(&delivery->recipients, some_wait);
	if (more == 0)
		return false;
	enum status status = refused_count(delivery->all->services->refused, delivery->grant->user,
					   limit_of_refused(delivery), more, on_counted, delivery);
	if (status != STATUS_OK) {
		(void)recipients_end_count(&delivery->recipients, 0, ANSWER_QUOTA_UNKNOWN);
		return false;
	}
	delivery->callbacks++;
	delivery->is_counting = true;
	return true;
}
