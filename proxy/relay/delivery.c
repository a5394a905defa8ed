/*
 * The life of a delivery: its one setter of states, what moves it on, and its
 * end. Owns the deliveries; entry points (frames, callbacks, the timer) free
 * what is over, nothing inside does.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/delivery_private.h"

#define TO(state) (1U << DELIVERY_##state)

/* Which states may follow which. */
static const unsigned legal_moves[DELIVERY_DONE + 1] = {
	[DELIVERY_ENVELOPE] = TO(DATA) | TO(DOOMED) | TO(DONE),
	[DELIVERY_DATA] = TO(COMPLETE) | TO(DONE),
	[DELIVERY_COMPLETE] = TO(HANDOVER) | TO(DONE),
	[DELIVERY_HANDOVER] = TO(RELEASED) | TO(COMPLETE) | TO(DONE),
	[DELIVERY_RELEASED] = TO(COMPLETE) | TO(DONE),
	[DELIVERY_DOOMED] = TO(DONE),
	[DELIVERY_DONE] = 0,
};

static const char *const state_names[DELIVERY_DONE + 1] = {
	"envelope", "data", "complete", "handover", "released", "doomed", "done",
};

static bool is_sessions(enum delivery_state state)
{
	return state == DELIVERY_ENVELOPE || state == DELIVERY_DATA || state == DELIVERY_DOOMED;
}

static void check_invariants(const struct delivery *delivery)
{
	const struct attempt *attempt = delivery_attempt((struct delivery *)delivery);
	if (delivery->state == DELIVERY_HANDOVER || delivery->state == DELIVERY_RELEASED)
		assert(attempt && delivery->charge == CHARGE_GRANTED);
	if (delivery->state == DELIVERY_RELEASED)
		assert(attempt->leaving == LEAVING_WRITTEN && attempt->held);
	if (delivery->state == DELIVERY_DONE)
		assert(delivery->charge != CHARGE_ASKED);
}

/* How long a gate may be silent about a transaction: its own limits, and some. */
static uint64_t silence_ms(const struct delivery *delivery)
{
	const struct config_limits *limits = &delivery->all->services->config->limits;
	uint64_t longest =
		limits->command_timeout > limits->data_timeout ? limits->command_timeout : limits->data_timeout;
	return longest + SILENCE_SLACK_MS;
}

static void set_timer(struct delivery *delivery)
{
	uint64_t now = loop_now_ms(delivery->all->services->loop);
	uint64_t deadline = attempt_deadline_ms(delivery);
	switch (delivery->state) {
	case DELIVERY_ENVELOPE:
	case DELIVERY_DATA:
	case DELIVERY_DOOMED:
		timer_set(delivery->timer, delivery->is_lost ? 0 : silence_ms(delivery));
		break;
	case DELIVERY_COMPLETE:
	case DELIVERY_HANDOVER:
		timer_set(delivery->timer, deadline > now ? deadline - now : 0);
		break;
	case DELIVERY_RELEASED: /* attempt_release said how long the reply to the dot is waited for */
	case DELIVERY_DONE:
		timer_clear(delivery->timer);
		break;
	}
}

void delivery_set_state(struct delivery *delivery, enum delivery_state state)
{
	assert(legal_moves[delivery->state] & (1U << state));
	log_debug("message %s: %s, was %s", delivery->id, state_names[state], state_names[delivery->state]);
	delivery->state = state;
	if (!is_sessions(state) && delivery->grant->current == delivery)
		delivery->grant->current = NULL;
	if (state == DELIVERY_DONE)
		map_remove(&delivery->all->map, &delivery->link);
	set_timer(delivery);
	check_invariants(delivery);
}

struct attempt *delivery_attempt(struct delivery *delivery)
{
	return delivery->attempt_count ? &delivery->attempts[delivery->attempt_count - 1] : NULL;
}

/* A dot goes out only while there is time for its reply. */
static bool may_release(const struct delivery *delivery, const struct attempt *attempt)
{
	return attempt->held && attempt->leaving == LEAVING_WRITTEN &&
	       loop_now_ms(delivery->all->services->loop) < attempt_deadline_ms(delivery);
}

void delivery_advance(struct delivery *delivery)
{
	struct attempt *attempt = delivery_attempt(delivery);
	if (attempt == NULL || attempt->upstream == NULL)
		return;
	if (delivery->state == DELIVERY_COMPLETE && recipients_are_settled(&delivery->recipients)) {
		if (delivery->charge == CHARGE_NONE)
			message_charge(delivery);
		else if (delivery->charge == CHARGE_GRANTED)
			attempt_hand_over(attempt);
	}
	if (delivery->state == DELIVERY_HANDOVER && may_release(delivery, attempt))
		attempt_release(attempt);
}

void delivery_refund(struct delivery *delivery)
{
	if (delivery->charge != CHARGE_ASKED && delivery->charge != CHARGE_GRANTED)
		return;
	quota_refund(delivery->all->services->quota, delivery->grant->user, span_of(delivery->token));
	delivery->charge = CHARGE_REFUNDED;
}

void delivery_end(struct delivery *delivery, struct span reply)
{
	struct attempt *attempt = delivery_attempt(delivery);
	if (delivery->gate && !span_is_empty(reply)) {
		struct door_message_reply frame = { .transaction = delivery->transaction, .reply = reply };
		delivery->gate->send_message_reply(delivery->gate, &frame);
	}
	if (attempt)
		attempt_drop(attempt);
	probing_leave(delivery);
	spool_message_free(&delivery->message);
	if (delivery->user)
		delivery->user->transactions--;
	delivery->user = NULL;
	delivery->gate = NULL;
	delivery_set_state(delivery, DELIVERY_DONE);
	if (delivery->is_due)
		timer_set(delivery->timer, RECORD_RETRY_MS);
}

void delivery_doom(struct delivery *delivery, struct span reply)
{
	recipients_refuse_rest(&delivery->recipients, reply);
	delivery_report(delivery);
	if (delivery->state == DELIVERY_DATA) {
		delivery_end(delivery, reply);
		return;
	}
	delivery->doom = reply;
	probing_leave(delivery);
	spool_message_free(&delivery->message);
	delivery_set_state(delivery, DELIVERY_DOOMED);
}

static void free_delivery(struct delivery *delivery)
{
	struct deliveries *all = delivery->all;
	*(delivery->older ? &delivery->older->newer : &all->oldest) = delivery->newer;
	*(delivery->newer ? &delivery->newer->older : &all->newest) = delivery->older;
	all->count--;
	timer_free(&delivery->timer);
	for (size_t i = 0; i < delivery->attempt_count; i++) {
		rewriting_cancel(&delivery->attempts[i].rewriting);
		spool_message_free(&delivery->attempts[i].copy);
	}
	spool_message_free(&delivery->message);
	recipients_free(&delivery->recipients);
	arena_reset(&delivery->arena);
	grant_release(&delivery->grant);
	free(delivery);
}

void delivery_free_if_over(struct delivery *delivery)
{
	struct attempt *attempt = delivery_attempt(delivery);
	if (delivery->state != DELIVERY_DONE || delivery->callbacks || delivery->is_due)
		return;
	if (attempt == NULL || attempt->upstream == NULL)
		free_delivery(delivery);
}

static void on_timer(void *context)
{
	struct delivery *delivery = context;
	const struct refusal late = { ANSWER_UPSTREAM_TRANSPORT, REFUSAL_OTHER, SPAN("no relay took it in time") };
	const struct refusal lost = { ANSWER_NO_MEMORY, REFUSAL_OTHER, SPAN("out of memory") };
	if (delivery->is_due) {
		outcome_retry(delivery);
	} else if (is_sessions(delivery->state) && delivery->is_lost) {
		refusal_end(delivery, &lost);
	} else if (is_sessions(delivery->state)) {
		log_warning("message %s: silence from the gate of session %s", delivery->id, delivery->grant->name);
		delivery_end(delivery, ANSWER_TRANSACTION_OVER); /* the client may hold recipients for accepted */
	} else if (delivery->state == DELIVERY_COMPLETE || delivery->state == DELIVERY_HANDOVER) {
		outcome_give_up(delivery, &late);
	}
	delivery_free_if_over(delivery);
}

/* ---- all of them */

enum status deliveries_create(struct services *services, struct deliveries **out_deliveries)
{
	struct deliveries *deliveries = calloc(1, sizeof(*deliveries));
	if (deliveries == NULL)
		return STATUS_NO_MEMORY;
	deliveries->services = services;
	enum status status = map_init(&deliveries->map);
	if (status != STATUS_OK) {
		free(deliveries);
		return status;
	}
	*out_deliveries = deliveries;
	return STATUS_OK;
}

size_t deliveries_count(const struct deliveries *deliveries)
{
	return deliveries->count;
}

struct delivery *deliveries_find(const struct deliveries *deliveries, uint32_t gate, uint64_t transaction)
{
	uint64_t hash = map_hash_numbers(&deliveries->map, gate, transaction);
	for (struct map_link *link = map_first(&deliveries->map, hash); link; link = map_next(link)) {
		struct delivery *delivery = MAP_OWNER(link, struct delivery, link);
		if (delivery->gate_instance == gate && delivery->transaction == transaction)
			return delivery;
	}
	return NULL;
}

static enum status enlist(struct deliveries *all, struct delivery *delivery)
{
	uint64_t hash = map_hash_numbers(&all->map, delivery->gate_instance, delivery->transaction);
	TRY(timer_make(all->services->loop, on_timer, delivery, &delivery->timer));
	enum status status = map_add(&all->map, &delivery->link, hash);
	if (status != STATUS_OK) {
		timer_free(&delivery->timer);
		return status;
	}
	delivery->older = all->newest;
	*(all->newest ? &all->newest->newer : &all->oldest) = delivery;
	all->newest = delivery;
	all->count++;
	return STATUS_OK;
}

struct delivery *deliveries_open(struct deliveries *deliveries, struct delivery_gate *gate, struct grant *grant,
				 uint64_t transaction)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	if (delivery == NULL)
		return NULL;
	delivery->all = deliveries;
	delivery->gate = gate;
	delivery->gate_instance = gate->instance;
	delivery->transaction = transaction;
	if (enlist(deliveries, delivery) != STATUS_OK) {
		free(delivery);
		return NULL;
	}
	arena_init(&delivery->arena, DELIVERY_MEMORY);
	recipients_init(&delivery->recipients, &delivery->arena);
	message_ids_next(&deliveries->services->ids, clock_wall_us() / 1000, delivery->id);
	delivery->grant = grant_hold(grant);
	grant->current = delivery;
	set_timer(delivery);
	return delivery;
}

void delivery_touch(struct delivery *delivery)
{
	set_timer(delivery);
}

/* Ends a transaction whose client or gate left before it was complete. */
static void abandon(struct delivery *delivery)
{
	const struct refusal none = { { 0 }, REFUSAL_OTHER, SPAN("no recipient was accepted") };
	if (!delivery->refusal_recorded && delivery->recipients.reported && !recipients_accepted(&delivery->recipients))
		refusal_note(delivery, &none);
	delivery_end(delivery, (struct span){ 0 });
}

/* A gate's word may be as long as a frame; what goes into a record is no longer than ours. */
static struct span cut(struct span text)
{
	return span_slice(text, 0, GATE_TEXT_MAXIMUM);
}

void deliveries_abort(struct deliveries *deliveries, const struct delivery_gate *gate, struct grant *grant,
		      const struct door_transaction_aborted *message)
{
	struct delivery *delivery = deliveries_find(deliveries, gate->instance, message->transaction);
	char session[sizeof(grant->name)];
	grant_name_session(gate->instance, message->session, session);
	if (delivery == NULL || delivery->grant != grant || !is_sessions(delivery->state)) {
		if (delivery == NULL && !span_is_empty(message->reply) &&
		    (grant == NULL || refusal_has_ration(deliveries->services, grant, 0)))
			records_gate_refused(deliveries->services->audit, session, grant, message->mail_from,
					     message->reply, message->reason);
		return;
	}
	if (!span_is_empty(message->reply)) {
		const struct refusal refusal = { cut(message->reply), REFUSAL_OTHER, cut(message->reason) };
		(void)refusal_record(delivery, &refusal);
	}
	abandon(delivery);
	delivery_free_if_over(delivery);
}

void deliveries_end_session(struct grant *grant)
{
	struct delivery *delivery = grant->current;
	if (delivery == NULL)
		return;
	abandon(delivery);
	delivery_free_if_over(delivery);
}

void deliveries_gate_closed(struct deliveries *deliveries, const struct delivery_gate *gate)
{
	struct delivery *newer;
	for (struct delivery *delivery = deliveries->oldest; delivery; delivery = newer) {
		newer = delivery->newer;
		if (delivery->gate != gate)
			continue;
		delivery->gate = NULL;
		if (is_sessions(delivery->state))
			abandon(delivery);
		delivery_free_if_over(delivery);
	}
}

void deliveries_cut(struct deliveries *deliveries)
{
	const struct refusal late = { ANSWER_SHUTTING_DOWN, REFUSAL_OTHER, SPAN("shutdown") };
	struct delivery *newer;
	for (struct delivery *delivery = deliveries->oldest; delivery; delivery = newer) {
		newer = delivery->newer;
		if (delivery->state == DELIVERY_RELEASED)
			outcome_cut_short(delivery);
		else if (delivery->state == DELIVERY_ENVELOPE || delivery->state == DELIVERY_DOOMED)
			abandon(delivery);
		else if (delivery->state != DELIVERY_DONE)
			outcome_give_up(delivery, &late);
		delivery_free_if_over(delivery);
	}
}

void deliveries_free(struct deliveries **deliveries)
{
	if (*deliveries == NULL)
		return;
	while ((*deliveries)->oldest)
		free_delivery((*deliveries)->oldest);
	map_free(&(*deliveries)->map);
	free(*deliveries);
	*deliveries = NULL;
}
