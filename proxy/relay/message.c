/* The second exchange: the message into the spool, and its charge once it is whole. Bytes of a gate are checked as if it were taken over. */
#include <inttypes.h>

#include "base/hash.h"
#include "base/log.h"
#include "relay/delivery_private.h"

/* Bytes of a gate's word about a message that records show; no gate of ours says more. */
#define HEADER_FROM_MAXIMUM 4096U
#define MESSAGE_ID_MAXIMUM 1000U

static struct refusal refuse_append(enum status status)
{
	if (status == STATUS_NOT_FOUND)
		return (struct refusal){ ANSWER_NO_RECIPIENTS, REFUSAL_OTHER, SPAN("no recipient was accepted") };
	if (status == STATUS_REFUSED)
		return (struct refusal){ ANSWER_SPOOL_SHARE, REFUSAL_SPOOL,
					 SPAN("the user's share of the spool is full") };
	if (status == STATUS_TOO_LARGE || status == STATUS_NO_MEMORY)
		return (struct refusal){ ANSWER_SPOOL_FULL, REFUSAL_SPOOL, SPAN("spool full") };
	return (struct refusal){ ANSWER_SPOOL_FAILED, REFUSAL_SPOOL, SPAN("spool failed") };
}

/* Whoever was not admitted has no recipient that a relay was asked about: there is no message to hold. */
static enum status begin_spooling(struct delivery *delivery)
{
	if (delivery->user == NULL)
		return STATUS_NOT_FOUND;
	return spool_begin(delivery->all->services->spool, &delivery->user->spool, &delivery->message);
}

static bool refuse_bytes(struct delivery *delivery, struct span bytes, struct refusal *out_refusal)
{
	struct services *services = delivery->all->services;
	if (body_check_feed(&delivery->check, bytes) != STATUS_OK) {
		*out_refusal = (struct refusal){ ANSWER_BAD_DATA, REFUSAL_SYNTAX, SPAN("malformed data from a gate") };
		return true;
	}
	if (delivery->check.size > services->config->limits.message_size + HEADER_ALLOWANCE) {
		*out_refusal = (struct refusal){ ANSWER_TOO_LARGE, REFUSAL_SIZE, SPAN("message too large") };
		return true;
	}
	enum status status = delivery->message ? STATUS_OK : begin_spooling(delivery);
	if (status == STATUS_OK && bytes.size)
		status = spool_append(delivery->message, bytes);
	if (status == STATUS_OK)
		return false;
	*out_refusal = refuse_append(status);
	return true;
}

static bool refuse_end(struct delivery *delivery, const struct door_message_data *data, struct refusal *out_refusal)
{
	if (body_check_finish(&delivery->check) != STATUS_OK) {
		*out_refusal = (struct refusal){ ANSWER_BAD_DATA, REFUSAL_SYNTAX, SPAN("malformed data from a gate") };
		return true;
	}
	struct span header_from = span_slice(data->header_from, 0, HEADER_FROM_MAXIMUM);
	struct span message_id = span_slice(data->message_id, 0, MESSAGE_ID_MAXIMUM);
	if (arena_copy(&delivery->arena, header_from, &delivery->header_from) == STATUS_OK &&
	    arena_copy(&delivery->arena, message_id, &delivery->message_id) == STATUS_OK)
		return false;
	*out_refusal = (struct refusal){ ANSWER_NO_MEMORY, REFUSAL_OTHER, SPAN("out of memory") };
	return true;
}

/* What the relay refused was said to the client already; a message for nobody goes nowhere. */
static bool refuse_nobody(struct delivery *delivery, struct refusal *out_refusal)
{
	const struct recipients *recipients = &delivery->recipients;
	if (recipients_accepted(recipients))
		return false;
	*out_refusal = (struct refusal){ ANSWER_NO_RECIPIENTS, REFUSAL_OTHER, SPAN("no recipient was accepted") };
	return true;
}

static void take(struct delivery *delivery, const struct door_message_data *data)
{
	struct refusal refusal;
	if (delivery->state == DELIVERY_ENVELOPE)
		delivery_set_state(delivery, DELIVERY_DATA);
	delivery_touch(delivery);
	if (refuse_bytes(delivery, data->bytes, &refusal) ||
	    (data->complete && (refuse_end(delivery, data, &refusal) || refuse_nobody(delivery, &refusal)))) {
		refusal_end(delivery, &refusal);
		return;
	}
	if (data->complete) {
		delivery->complete_ms = loop_now_ms(delivery->all->services->loop);
		delivery_set_state(delivery, DELIVERY_COMPLETE);
		delivery_advance(delivery);
	}
}

enum status deliveries_take_data(struct deliveries *deliveries, const struct delivery_gate *gate,
				 const struct door_message_data *data)
{
	struct delivery *delivery = deliveries_find(deliveries, gate->instance, data->transaction);
	if (delivery == NULL)
		return STATUS_OK;
	switch (delivery->state) {
	case DELIVERY_ENVELOPE:
		if (delivery->recipients.reported < delivery->recipients.count) {
			log_error("message %s: gate %u did not wait for the replies to its recipients", delivery->id,
				  delivery->gate_instance);
			return STATUS_INVALID;
		}
		take(delivery, data);
		break;
	case DELIVERY_DATA:
		take(delivery, data);
		break;
	case DELIVERY_DOOMED:
		delivery_end(delivery, delivery->doom);
		break;
	case DELIVERY_COMPLETE:
	case DELIVERY_HANDOVER:
	case DELIVERY_RELEASED:
	case DELIVERY_DONE:
		log_error("message %s: gate %u sent more after its end", delivery->id, delivery->gate_instance);
		return STATUS_INVALID;
	}
	delivery_free_if_over(delivery);
	return STATUS_OK;
}

/* ---- the charge */

void message_note_exceeded(struct delivery *delivery, const struct quota_state *state)
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

struct refusal message_quota_refusal(struct delivery *delivery, enum quota_verdict verdict,
				     const struct quota_state *state)
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

static void refuse_unknown(struct delivery *delivery)
{
	const struct refusal refusal = { ANSWER_QUOTA_UNKNOWN, REFUSAL_REDIS, SPAN("quota service unavailable") };
	outcome_give_up(delivery, &refusal);
}

static void judge(struct delivery *delivery, enum quota_verdict verdict, const struct quota_state *state)
{
	struct refusal refusal;
	switch (verdict) {
	case QUOTA_GRANTED:
		delivery->charge = CHARGE_GRANTED;
		delivery->quota = (struct audit_quota){ state->used, state->limit, state->resets_at };
		delivery_advance(delivery);
		break;
	case QUOTA_DAY_EXCEEDED:
	case QUOTA_BURST_EXCEEDED:
		delivery->charge = CHARGE_REFUSED;
		if (verdict == QUOTA_DAY_EXCEEDED)
			message_note_exceeded(delivery, state);
		refusal = message_quota_refusal(delivery, verdict, state);
		outcome_give_up(delivery, &refusal);
		break;
	case QUOTA_NOT_CHARGED:
		delivery->charge = CHARGE_REFUSED;
		if (!span_is_empty(state->trouble))
			log_warning("message %s: not charged: %.*s", delivery->id, SPAN_ARGS(state->trouble));
		refuse_unknown(delivery);
		break;
	case QUOTA_UNKNOWN:
	default:
		log_warning("message %s: not charged: %.*s", delivery->id, SPAN_ARGS(state->trouble));
		refuse_unknown(delivery);
		break;
	}
}

static void on_charged(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct delivery *delivery = context;
	delivery->callbacks--;
	if (delivery->charge == CHARGE_ASKED) /* else it was given back meanwhile, under its token */
		judge(delivery, verdict, state);
	delivery_free_if_over(delivery);
}

void message_charge(struct delivery *delivery)
{
	struct refusal refusal;
	uint64_t random;
	/* A gate that did not wait for the replies sent it before anybody knew. */
	if (refuse_nobody(delivery, &refusal)) {
		refusal_end(delivery, &refusal);
		return;
	}
	if (hash_random(&random, sizeof(random)) != STATUS_OK) {
		refuse_unknown(delivery);
		return;
	}
	snprintf(delivery->token, sizeof(delivery->token), "%s-%016" PRIx64, delivery->id, random);
	delivery->charge = CHARGE_ASKED;
	struct grant *grant = delivery->grant;
	enum status status =
		quota_charge(delivery->all->services->quota, grant->user, span_of(delivery->token), &grant->limits,
			     recipients_accepted(&delivery->recipients), delivery->check.size, on_charged, delivery);
	if (status == STATUS_OK)
		delivery->callbacks++;
	else
		refuse_unknown(delivery);
}
