/*
 * The life of a delivery: the table of them, its one setter of states, its turn, and its end. Other files note what
 * comes; what is next is decided here, at the end of the loop's turn (delivery_private.h). Owns the deliveries.
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

/* ---- states */

bool delivery_is_sessions(const struct delivery *delivery)
{
	return delivery->state == DELIVERY_ENVELOPE || delivery->state == DELIVERY_DATA ||
	       delivery->state == DELIVERY_DOOMED;
}

static void check_invariants(const struct delivery *delivery)
{
	const struct attempt *attempt = delivery_attempt((struct delivery *)delivery);
	if (delivery->state == DELIVERY_HANDOVER || delivery->state == DELIVERY_RELEASED)
		assert(attempt && delivery->charge == CHARGE_GRANTED && delivery->is_judged);
	if (delivery->state == DELIVERY_RELEASED)
		assert(attempt->leaving == LEAVING_WRITTEN && attempt->held);
	if (delivery->state == DELIVERY_DONE)
		assert(delivery->charge != CHARGE_ASKED);
}

/* How long a gate may be silent about a transaction: its own limits, and some. */
static uint64_t silence_limit_ms(const struct delivery *delivery)
{
	const struct config_limits *limits = &delivery->all->services->config->limits;
	uint64_t longest =
		limits->command_timeout > limits->data_timeout ? limits->command_timeout : limits->data_timeout;
	return longest + SILENCE_SLACK_MS;
}

static void set_timer(struct delivery *delivery)
{
	uint64_t now = loop_now_ms(delivery->all->services->loop);
	uint64_t deadline = delivery_deadline_ms(delivery);
	delivery->is_late = false;
	switch (delivery->state) {
	case DELIVERY_ENVELOPE:
	case DELIVERY_DATA:
	case DELIVERY_DOOMED:
		timer_set(delivery->timer, silence_limit_ms(delivery));
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
	if (!delivery_is_sessions(delivery) && delivery->grant->current == delivery)
		delivery->grant->current = NULL;
	if (state == DELIVERY_DONE)
		map_remove(&delivery->all->map, &delivery->link);
	set_timer(delivery);
	check_invariants(delivery);
}

void delivery_touch(struct delivery *delivery)
{
	set_timer(delivery);
}

static void on_timer(void *context)
{
	struct delivery *delivery = context;
	delivery->is_late = true;
	delivery_wake(delivery);
}

/* ---- ends */

/* Over: the client hears `reply` (empty: nothing), and all that it holds is let go. */
static void end_delivery(struct delivery *delivery, struct span reply)
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

/* Nothing of it is with an upstream: recorded, given back, and told. */
static void give_delivery_up(struct delivery *delivery, const struct refusal *refusal)
{
	struct attempt *attempt = delivery_attempt(delivery);
	if (attempt)
		attempt_drop(attempt);
	outcome_enter_refusal(delivery, refusal);
	charge_refund(delivery);
	end_delivery(delivery, refusal->reply);
}

/* Its client or gate left before it was complete. */
static void abandon_delivery(struct delivery *delivery)
{
	struct refusal none = { { 0 }, REFUSAL_OTHER, SPAN("no recipient was accepted") };
	if (delivery->refused_recipient)
		none.reason = SPAN("recipient not allowed by a rule");
	if (!delivery->refusal_recorded && delivery->recipients.reported && !recipients_accepted(&delivery->recipients))
		refusal_note(delivery, &none);
	end_delivery(delivery, (struct span){ 0 });
}

/* Failed before the message was complete: ended, or kept until the client can hear it. */
static void doom_delivery(struct delivery *delivery, const struct refusal *refusal)
{
	recipients_refuse_rest(&delivery->recipients, refusal->reply);
	refusal_note(delivery, refusal);
	envelope_report(delivery);
	if (delivery->state == DELIVERY_DATA) {
		end_delivery(delivery, refusal->reply);
		return;
	}
	delivery->doom = refusal->reply;
	probing_leave(delivery);
	spool_message_free(&delivery->message);
	delivery_set_state(delivery, DELIVERY_DOOMED);
}

/* No relay is left, or none would make a difference. */
static void end_with_fate(struct delivery *delivery, const struct attempt *attempt, enum fate fate)
{
	struct buf room BUF_AUTO;
	buf_init(&room, 2 * REPLY_SIZE_MAXIMUM);
	const struct refusal refusal = { outcome_answer(attempt, fate, &room), REFUSAL_OTHER, attempt->end.reason };
	if (fate == FATE_SENT || fate == FATE_UNKNOWN) {
		charge_settle(delivery);
		end_delivery(delivery, refusal.reply);
	} else if (delivery_is_sessions(delivery)) {
		doom_delivery(delivery, &refusal);
	} else if (fate == FATE_REFUSED && attempt->leaving != LEAVING_NONE) {
		charge_refund(delivery);
		end_delivery(delivery, refusal.reply);
	} else {
		give_delivery_up(delivery, &refusal);
	}
}

/* The upstream is through with it: the next one of the route has it, or it ends. */
static void conclude_attempt(struct delivery *delivery, struct attempt *attempt)
{
	enum fate fate = outcome_judge(attempt);
	attempt->is_over = false;
	if (attempt->upstream)
		attempt_drop(attempt);
	bool is_entered = outcome_enter(attempt, fate);
	if (fate != FATE_FAILED || !is_entered || !attempt_begin_next(delivery))
		end_with_fate(delivery, attempt, fate);
	else if (delivery->state == DELIVERY_HANDOVER || delivery->state == DELIVERY_RELEASED)
		delivery_set_state(delivery, DELIVERY_COMPLETE);
}

/* ---- the turn */

/* Time is over. The client of a silent gate may take recipients for accepted, so it is told. */
static void end_late(struct delivery *delivery)
{
	const struct refusal late = { ANSWER_UPSTREAM_TRANSPORT, REFUSAL_OTHER, SPAN("no relay took it in time") };
	if (!delivery_is_sessions(delivery)) {
		give_delivery_up(delivery, &late);
		return;
	}
	log_warning("message %s: silence from the gate of session %s", delivery->id, delivery->grant->name);
	end_delivery(delivery, ANSWER_TRANSACTION_OVER);
}

/* The first of these that was noted. */
static void end_if_noted(struct delivery *delivery)
{
	const struct refusal unrecorded = { ANSWER_AUDIT_STUCK, REFUSAL_AUDIT, SPAN("audit unavailable") };
	struct attempt *attempt = delivery_attempt(delivery);
	if (delivery->state == DELIVERY_DONE)
		return;
	if (delivery_is_refused(delivery))
		give_delivery_up(delivery, &delivery->refusal);
	else if (delivery->is_left)
		abandon_delivery(delivery);
	else if (delivery->is_told_doom)
		end_delivery(delivery, delivery->doom);
	else if (attempt && attempt->is_over)
		conclude_attempt(delivery, attempt);
	else if (delivery->state == DELIVERY_HANDOVER && attempt->leaving == LEAVING_FAILED)
		give_delivery_up(delivery, &unrecorded);
	else if (delivery->is_late)
		end_late(delivery);
}

static void go_on_with_recipients(struct delivery *delivery)
{
	const struct refusal none = { ANSWER_UPSTREAM_TRANSPORT, REFUSAL_OTHER, SPAN("no relay available") };
	if (!delivery->has_news || delivery->state == DELIVERY_DONE)
		return;
	delivery->has_news = false;
	if (delivery->state != DELIVERY_ENVELOPE || envelope_ask(delivery))
		envelope_report(delivery);
	else
		doom_delivery(delivery, &none);
}

/* A dot goes out only while there is time for its reply. */
static bool may_release(const struct delivery *delivery, const struct attempt *attempt)
{
	return attempt->held && attempt->leaving == LEAVING_WRITTEN &&
	       loop_now_ms(delivery->all->services->loop) < delivery_deadline_ms(delivery);
}

/* A complete message is charged, then handed over, then released, each as soon as what that needs is there. */
static void go_on_with_message(struct delivery *delivery)
{
	struct attempt *attempt = delivery_attempt(delivery);
	if (attempt == NULL || attempt->upstream == NULL || attempt->is_over)
		return;
	if (delivery->state == DELIVERY_COMPLETE && recipients_are_settled(&delivery->recipients)) {
		if (delivery->charge == CHARGE_NONE)
			charge_ask(delivery);
		else if (delivery->charge == CHARGE_GRANTED && delivery->is_judged && attempt_hand_over(attempt))
			delivery_set_state(delivery, DELIVERY_HANDOVER);
	} else if (delivery->state == DELIVERY_HANDOVER && may_release(delivery, attempt)) {
		attempt_release(attempt);
		delivery_set_state(delivery, DELIVERY_RELEASED);
	}
}

/* Done, and its outcome could not be recorded yet. */
static void retry_record(struct delivery *delivery)
{
	if (delivery->state != DELIVERY_DONE || !delivery->is_due || !delivery->is_late)
		return;
	delivery->is_late = false;
	outcome_retry(delivery);
}

static void free_delivery(struct delivery *delivery)
{
	struct deliveries *all = delivery->all;
	if (delivery->is_awake)
		TAILQ_REMOVE(&all->awake, delivery, in_awake);
	*(delivery->older ? &delivery->older->newer : &all->oldest) = delivery->newer;
	*(delivery->newer ? &delivery->newer->older : &all->newest) = delivery->older;
	all->count--;
	timer_free(&delivery->timer);
	for (size_t i = 0; i < delivery->attempt_count; i++) {
		rewriting_cancel(&delivery->attempts[i]->rewriting);
		spool_message_free(&delivery->attempts[i]->copy);
		buf_free(&delivery->attempts[i]->alike);
	}
	spool_message_free(&delivery->message);
	recipients_free(&delivery->recipients);
	arena_reset(&delivery->arena);
	grant_release(&delivery->grant);
	free(delivery);
}

static void free_if_over(struct delivery *delivery)
{
	struct attempt *attempt = delivery_attempt(delivery);
	if (delivery->state != DELIVERY_DONE || delivery->callbacks || delivery->is_due)
		return;
	if (attempt == NULL || attempt->upstream == NULL)
		free_delivery(delivery);
}

/*
 * The one place that decides. What is begun here is answered by an event; what fails at once is noted, too, and wakes
 * the delivery for another turn.
 */
static void take_turn(struct delivery *delivery)
{
	end_if_noted(delivery);
	go_on_with_recipients(delivery);
	go_on_with_message(delivery);
	retry_record(delivery);
	free_if_over(delivery);
}

static void run_turns(void *context)
{
	struct deliveries *all = context;
	struct delivery *delivery;
	while ((delivery = TAILQ_FIRST(&all->awake)) != NULL) {
		TAILQ_REMOVE(&all->awake, delivery, in_awake);
		delivery->is_awake = false;
		take_turn(delivery);
	}
}

/* ---- all of them */

enum status deliveries_create(struct services *services, struct deliveries **out_deliveries)
{
	struct deliveries *deliveries = calloc(1, sizeof(*deliveries));
	if (deliveries == NULL)
		return STATUS_NO_MEMORY;
	deliveries->services = services;
	deliveries->turn = (struct turn_end){ .run = run_turns, .context = deliveries };
	TAILQ_INIT(&deliveries->awake);
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
		if (delivery->gate_instance == gate && delivery->transaction == transaction && !delivery->is_left)
			return delivery;
	}
	return NULL;
}

static enum status enlist_delivery(struct deliveries *all, struct delivery *delivery)
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
	struct delivery *delivery = malloc(sizeof(*delivery));
	if (delivery == NULL)
		return NULL;
	*delivery = (struct delivery){
		.all = deliveries, .gate = gate, .gate_instance = gate->instance, .transaction = transaction
	};
	if (enlist_delivery(deliveries, delivery) != STATUS_OK) {
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

/* No other turn of the loop may come: each has its own now. */
void deliveries_cut(struct deliveries *deliveries)
{
	const struct refusal late = { ANSWER_SHUTTING_DOWN, REFUSAL_OTHER, SPAN("shutdown") };
	struct delivery *newer;
	for (struct delivery *delivery = deliveries->oldest; delivery; delivery = newer) {
		newer = delivery->newer;
		if (delivery->state == DELIVERY_RELEASED)
			attempt_cut(delivery_attempt(delivery));
		else if (delivery->state == DELIVERY_ENVELOPE || delivery->state == DELIVERY_DOOMED)
			delivery->is_left = true;
		else if (delivery->state != DELIVERY_DONE)
			delivery_refuse(delivery, &late);
		take_turn(delivery);
	}
}

void deliveries_free(struct deliveries **deliveries)
{
	if (*deliveries == NULL)
		return;
	while ((*deliveries)->oldest)
		free_delivery((*deliveries)->oldest);
	loop_forget_turn_end((*deliveries)->services->loop, &(*deliveries)->turn);
	map_free(&(*deliveries)->map);
	free(*deliveries);
	*deliveries = NULL;
}
