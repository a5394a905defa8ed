/*
 * The charge of a message against its user's quota: asked for once, under a token, and settled or given back once. A
 * charge that nobody knows of counts as taken until it is given back (quota/quota.h). Mail of the relay itself costs
 * nothing.
 */
#include <string.h>

#include "base/domain.h"
#include "base/hash.h"
#include "base/log.h"
#include "relay/delivery_private.h"

#define OWN_ADDRESSES 200 /* of a user that are looked at for the domains of their colleagues */

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

/* While Redis is away each message of a client would have its line. */
static void log_uncharged(const struct delivery *delivery, struct span why)
{
	struct services *services = delivery->all->services;
	char more[LOG_PACE_TEXT];
	if (log_pace_take(&services->uncharged, loop_now_ms(services->loop), more))
		log_warning("message %s: not charged: %.*s%s", delivery->id, SPAN_ARGS(why), more);
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
				 is_day ? SPAN("daily quota exceeded") : SPAN("too many messages at once") };
}

static void tell_listener(const struct delivery *delivery, const struct quota_state *state, bool is_exceeded)
{
	const struct charge_listener *listener = &delivery->all->services->charge_listener;
	if (listener->on_charged)
		listener->on_charged(listener->context, delivery->grant, state, is_exceeded);
}

static void refuse_uncharged(struct delivery *delivery)
{
	const struct refusal refusal = { ANSWER_QUOTA_UNKNOWN, REFUSAL_REDIS, SPAN("quota service unavailable") };
	delivery_refuse(delivery, &refusal);
}

static void refuse_exceeded(struct delivery *delivery, enum quota_verdict verdict, const struct quota_state *state)
{
	delivery->charge = CHARGE_REFUSED;
	if (verdict == QUOTA_DAY_EXCEEDED) {
		charge_note_exceeded(delivery, state);
		tell_listener(delivery, state, true);
	}
	const struct refusal refusal = charge_explain(delivery, verdict, state);
	delivery_refuse(delivery, &refusal);
}

static void refuse_locked(struct delivery *delivery)
{
	const struct refusal refusal = { ANSWER_LOCKED, REFUSAL_OTHER, SPAN("user locked") };
	delivery->charge = CHARGE_REFUSED;
	delivery_refuse(delivery, &refusal);
}

static void note_verdict(struct delivery *delivery, enum quota_verdict verdict, const struct quota_state *state)
{
	switch (verdict) {
	case QUOTA_GRANTED:
		delivery->charge = CHARGE_GRANTED;
		delivery->quota = (struct audit_quota){ state->used, state->limit, state->resets_at };
		tell_listener(delivery, state, false);
		break;
	case QUOTA_DAY_EXCEEDED:
	case QUOTA_BURST_EXCEEDED:
		refuse_exceeded(delivery, verdict, state);
		break;
	case QUOTA_LOCKED:
		refuse_locked(delivery);
		break;
	case QUOTA_NOT_CHARGED:
		delivery->charge = CHARGE_REFUSED;
		if (!span_is_empty(state->trouble))
			log_uncharged(delivery, state->trouble);
		refuse_uncharged(delivery);
		break;
	case QUOTA_UNKNOWN:
	default:
		log_uncharged(delivery, state->trouble);
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

/* ---- to whom it goes */

static struct span domain_of(struct span address)
{
	size_t at = address.size;
	while (at > 0 && address.data[at - 1] != '@')
		at--;
	return span_slice(address, at > 0 ? at : address.size, address.size);
}

/*
 * Colleagues are no strangers: whoever is in the domain of the user's name, or of an address that is theirs. What they
 * typed as sender says nothing: where senders are not enforced, they could make anybody a colleague.
 */
static bool is_colleague(const struct grant *grant, struct span address)
{
	struct span domain = domain_of(address);
	if (span_is_empty(domain) || domain_equal(domain, domain_of(grant->user)))
		return true;
	for (size_t i = 0; i < grant->senders.count && i < OWN_ADDRESSES; i++)
		if (domain_equal(domain, domain_of(grant->senders.items[i])))
			return true;
	return false;
}

/* Of a delivery that is being charged. */
static enum status write_hashes(const void *message, struct buf *out)
{
	const struct delivery *delivery = message;
	for (size_t i = 0; i < delivery->recipients.count; i++) {
		const struct recipient *recipient = &delivery->recipients.items[i];
		if (recipient->accepted && !is_colleague(delivery->grant, recipient->address))
			TRY(quota_hash_recipient(recipient->address, out));
	}
	return STATUS_OK;
}

/* ---- its user's habits, asked for beside the charge */

static void on_judged(void *context, enum judged verdict)
{
	struct delivery *delivery = context;
	const struct refusal locked = { ANSWER_LOCKED, REFUSAL_ALERT, SPAN("unusual sending: user locked") };
	const struct refusal put_off = { ANSWER_UNUSUAL, REFUSAL_ALERT, SPAN("unusual sending") };
	delivery->callbacks--;
	if (verdict == JUDGED_GOOD)
		delivery->is_judged = true;
	else
		delivery_refuse(delivery, verdict == JUDGED_LOCKED ? &locked : &put_off);
	delivery_wake(delivery);
}

static enum status ask_judge(struct delivery *delivery)
{
	const struct message_judge *judge = &delivery->all->services->judge;
	struct buf hashes BUF_AUTO;
	buf_init(&hashes, DELIVERY_MEMORY);
	if (judge->ask)
		TRY(write_hashes(delivery, &hashes));
	delivery->is_judged = judge->ask == NULL || judge->ask(judge->context, delivery->grant, buf_span(&hashes),
							       on_judged, delivery) != STATUS_OK;
	delivery->callbacks += !delivery->is_judged;
	return STATUS_OK;
}

/* ---- the charge */

static struct quota_order order_of(const struct delivery *delivery)
{
	return (struct quota_order){
		.user = delivery->grant->user,
		.user_id = delivery->grant->user_id,
		.token = span_of(delivery->token),
		.recipients = recipients_accepted(&delivery->recipients),
		.bytes = delivery->check.size,
		.write_hashes = write_hashes,
		.message = delivery,
	};
}

static enum status send_charge(struct delivery *delivery)
{
	struct quota *quota = delivery->all->services->quota;
	struct grant *grant = delivery->grant;
	TRY(ask_judge(delivery));
	struct quota_order order = order_of(delivery);
	return quota_charge(quota, &order, &grant->limits, on_charged, delivery);
}

/* While Redis is away, from what it lent before. */
static bool charge_locally(struct delivery *delivery)
{
	const struct quota_order order = order_of(delivery);
	struct quota_state state;
	if (!quota_charge_locally(delivery->all->services->quota, &order, &delivery->grant->limits, &state))
		return false;
	stats_add(delivery->all->services->stats, COUNTER_QUOTA_LOCAL, 0, 1);
	delivery->is_charged_locally = true;
	delivery->local_recipients = order.recipients;
	delivery->local_lease = state.lease;
	delivery->is_judged = true; /* what is usual stands in Redis */
	delivery->charge = CHARGE_GRANTED;
	delivery_wake(delivery);
	return true;
}

static enum status write_token(struct delivery *delivery)
{
	struct deliveries *all = delivery->all;
	size_t size = sizeof(delivery->id) - 1;
	if (all->random_left == 0) {
		TRY(hash_random(all->random, sizeof(all->random)));
		all->random_left = TOKENS_AHEAD;
	}
	memcpy(delivery->token, delivery->id, size);
	delivery->token[size] = '-';
	hash_to_hex(all->random[--all->random_left], TOKEN_RANDOM, delivery->token + size + 1);
	return STATUS_OK;
}

void charge_ask(struct delivery *delivery)
{
	struct grant *grant = delivery->grant;
	struct span why;
	if (grant->has_ended) {
		const struct refusal ended = { ANSWER_ENDED, REFUSAL_OTHER, SPAN("access ended") };
		delivery_refuse(delivery, &ended);
		return;
	}
	if (grant->is_own) {
		delivery->charge = CHARGE_GRANTED;
		delivery->is_judged = true;
		delivery_wake(delivery);
		return;
	}
	if (charge_locally(delivery))
		return;
	if (!quota_may_charge(delivery->all->services->quota, &why)) {
		log_uncharged(delivery, why);
		refuse_uncharged(delivery);
		return;
	}
	if (write_token(delivery) != STATUS_OK) {
		refuse_uncharged(delivery);
		return;
	}
	delivery->charge = CHARGE_ASKED;
	if (send_charge(delivery) == STATUS_OK)
		delivery->callbacks++;
	else
		refuse_uncharged(delivery);
}

void charge_refund(struct delivery *delivery)
{
	if (delivery->charge != CHARGE_ASKED && delivery->charge != CHARGE_GRANTED)
		return;
	if (delivery->is_charged_locally)
		quota_refund_locally(delivery->all->services->quota, delivery->grant->user, delivery->local_lease,
				     delivery->local_recipients, delivery->check.size);
	else if (!delivery->grant->is_own)
		quota_refund(delivery->all->services->quota, delivery->grant->user, &delivery->grant->limits,
			     span_of(delivery->token));
	delivery->charge = CHARGE_REFUNDED;
}

void charge_settle(struct delivery *delivery)
{
	if (!delivery->grant->is_own && !delivery->is_charged_locally)
		quota_settle(delivery->all->services->quota, delivery->grant->user, &delivery->grant->limits,
			     span_of(delivery->token));
}
