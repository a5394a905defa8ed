/*
 * The charge of a message against its user's quota: asked for once, under a token, and settled or given back once. A
 * charge that nobody knows of counts as taken until it is given back (quota/quota.h).
 */
#include <inttypes.h>

#include "base/hash.h"
#include "base/log.h"
#include "relay/delivery_private.h"

void charge_note_exceeded(struct delivery *delivery, const struct quota_state *state)
{
	struct services *services = delivery->all->services;
	struct grant *grant = delivery->grant;
	struct user *user = users_enter(services->users, grant->user, &grant->limits);
	delivery->quota = (struct audit_quota){ state->used, state->limit, state->resets_at };
	if (user == NULL || user->exceeded_day == state->resets_at)
		return;
	user->exceeded_day = state->resets_at;
	records_quota_exceeded(services->audit, grant, state);
}

struct refusal charge_explain(struct delivery *delivery, enum quota_verdict verdict, const struct quota_state *state)
{
	bool is_day = verdict == QUOTA_DAY_EXCEEDED;
	char text[256];
	char reply[300];
	struct span copy;
	quota_format(verdict, state, text, sizeof(text));
	snprintf(reply, sizeof(reply), "%s %s", is_day ? "550 5.4.5" : "451 4.7.1", text);
	if (arena_copy(&delivery->arena, span_of(reply), &copy) != STATUS_OK)
		copy = is_day ? SPAN("550 5.4.5 Daily sending quota exceeded") : SPAN("451 4.7.1 Too many messages");
	return (struct refusal){ copy, REFUSAL_QUOTA,
				 is_day ? SPAN("daily quota exceeded") : SPAN("too many messages in a minute") };
}

static void refuse_uncharged(struct delivery *delivery)
{
	const struct refusal refusal = { ANSWER_QUOTA_UNKNOWN, REFUSAL_REDIS, SPAN("quota service unavailable") };
	delivery_refuse(delivery, &refusal);
}

static void refuse_exceeded(struct delivery *delivery, enum quota_verdict verdict, const struct quota_state *state)
{
	delivery->charge = CHARGE_REFUSED;
	if (verdict == QUOTA_DAY_EXCEEDED)
		charge_note_exceeded(delivery, state);
	const struct refusal refusal = charge_explain(delivery, verdict, state);
	delivery_refuse(delivery, &refusal);
}

static void note_verdict(struct delivery *delivery, enum quota_verdict verdict, const struct quota_state *state)
{
	switch (verdict) {
	case QUOTA_GRANTED:
		delivery->charge = CHARGE_GRANTED;
		delivery->quota = (struct audit_quota){ state->used, state->limit, state->resets_at };
		break;
	case QUOTA_DAY_EXCEEDED:
	case QUOTA_BURST_EXCEEDED:
		refuse_exceeded(delivery, verdict, state);
		break;
	case QUOTA_NOT_CHARGED:
		delivery->charge = CHARGE_REFUSED;
		if (!span_is_empty(state->trouble))
			log_warning("message %s: not charged: %.*s", delivery->id, SPAN_ARGS(state->trouble));
		refuse_uncharged(delivery);
		break;
	case QUOTA_UNKNOWN:
	default:
		log_warning("message %s: not charged: %.*s", delivery->id, SPAN_ARGS(state->trouble));
		refuse_uncharged(delivery);
		break;
	}
}

static void on_charged(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct delivery *delivery = context;
	delivery->callbacks--;
	if (delivery->charge == CHARGE_ASKED) /* else it was given back meanwhile, under its token */
		note_verdict(delivery, verdict, state);
	delivery_wake(delivery);
}

void charge_ask(struct delivery *delivery)
{
	struct grant *grant = delivery->grant;
	uint64_t random;
	if (hash_random(&random, sizeof(random)) != STATUS_OK) {
		refuse_uncharged(delivery);
		return;
	}
	snprintf(delivery->token, sizeof(delivery->token), "%s-%016" PRIx64, delivery->id, random);
	delivery->charge = CHARGE_ASKED;
	enum status status =
		quota_charge(delivery->all->services->quota, grant->user, span_of(delivery->token), &grant->limits,
			     recipients_accepted(&delivery->recipients), delivery->check.size, on_charged, delivery);
	if (status == STATUS_OK)
		delivery->callbacks++;
	else
		refuse_uncharged(delivery);
}

void charge_refund(struct delivery *delivery)
{
	if (delivery->charge != CHARGE_ASKED && delivery->charge != CHARGE_GRANTED)
		return;
	quota_refund(delivery->all->services->quota, delivery->grant->user, span_of(delivery->token));
	delivery->charge = CHARGE_REFUNDED;
}

void charge_settle(struct delivery *delivery)
{
	quota_settle(delivery->all->services->quota, delivery->grant->user, span_of(delivery->token));
}
