/*
 * What becomes of a message when a relay is through with it, and the one
 * outcome record behind each message.leaving. What can't be known is unknown:
 * never sent again, never refunded.
 */
#include <assert.h>

#include "base/log.h"
#include "relay/delivery_private.h"

/* ---- records */

static const char *relay_name(const struct attempt *attempt)
{
	return attempt->delivery->all->services->config->relay.items[attempt->relay].name;
}

static enum status submit(const struct attempt *attempt, const struct outcome *outcome)
{
	const struct delivery *delivery = attempt->delivery;
	struct services *services = delivery->all->services;
	struct record_message record = refusal_describe(delivery);
	record.attempt = attempt->number;
	record.relay = span_of(relay_name(attempt));
	record.sent_as = attempt_sent_as(attempt);
	record.relay_host = outcome->host;
	record.response = outcome->response;
	record.reason = outcome->reason;
	record.has_duration = true;
	record.duration_ms = loop_now_ms(services->loop) - delivery->complete_ms;
	return records_message(services->audit, outcome->type, &record, NULL, NULL);
}

/* Keeps an outcome that the audit can't take now; texts that can't be kept are left out, the outcome is not. */
static void keep(struct attempt *attempt, const struct outcome *outcome)
{
	struct delivery *delivery = attempt->delivery;
	struct outcome due = { .type = outcome->type };
	if (arena_copy(&delivery->arena, outcome->response, &due.response) != STATUS_OK ||
	    arena_copy(&delivery->arena, outcome->reason, &due.reason) != STATUS_OK ||
	    arena_copy(&delivery->arena, outcome->host, &due.host) != STATUS_OK)
		log_error("message %s: out of memory for the texts of its outcome", delivery->id);
	delivery->due = due;
	delivery->due_attempt = attempt;
	delivery->is_due = true;
}

/* Exactly once for each attempt that began to leave. Anything but STATUS_OK: it is kept, and the message must end now. */
static enum status record(struct attempt *attempt, const struct outcome *outcome)
{
	assert(attempt->leaving != LEAVING_NONE && !attempt->recorded);
	attempt->recorded = true;
	enum status status = submit(attempt, outcome);
	if (status == STATUS_OK)
		return STATUS_OK;
	log_error("message %s: its outcome waits for the audit: %s", attempt->delivery->id, status_text(status));
	keep(attempt, outcome);
	return status;
}

void outcome_retry(struct delivery *delivery)
{
	if (submit(delivery->due_attempt, &delivery->due) == STATUS_OK)
		delivery->is_due = false;
	else
		timer_set(delivery->timer, RECORD_RETRY_MS);
}

static void count(const struct attempt *attempt, enum stats_result result)
{
	stats_add(attempt->delivery->all->services->stats, COUNTER_MESSAGES, (unsigned)attempt->relay * 8 + result, 1);
}

static bool has_left(const struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->attempt_count; i++)
		if (delivery->attempts[i].leaving != LEAVING_NONE)
			return true;
	return false;
}

/* ---- ends */

void outcome_give_up(struct delivery *delivery, const struct refusal *refusal)
{
	struct attempt *attempt = delivery_attempt(delivery);
	const struct outcome failed = { AUDIT_MESSAGE_FAILED, refusal->reply, refusal->reason, { 0 } };
	if (attempt)
		attempt_drop(attempt);
	if (!has_left(delivery)) {
		refusal_end(delivery, refusal);
		return;
	}
	stats_add(delivery->all->services->stats, COUNTER_REFUSED, refusal->counter, 1);
	if (attempt->leaving != LEAVING_NONE && !attempt->recorded && record(attempt, &failed) != STATUS_OK)
		log_error("message %s: given up, and not recorded yet", delivery->id);
	delivery_refund(delivery);
	delivery_end(delivery, refusal->reply);
}

/* Refused for certain, by the relay or on the way to it. */
static void fail(struct attempt *attempt, const struct upstream_outcome *upstream, struct span reply)
{
	struct delivery *delivery = attempt->delivery;
	const struct outcome failed = { AUDIT_MESSAGE_FAILED, upstream->reply, upstream->reason,
					span_of(upstream->host) };
	const struct refusal refusal = { reply, REFUSAL_OTHER, upstream->reason };
	budget_give_back(&attempt->claim);
	if (attempt->leaving == LEAVING_NONE || attempt->recorded) {
		outcome_give_up(delivery, &refusal);
		return;
	}
	if (record(attempt, &failed) != STATUS_OK)
		log_error("message %s: failed, and not recorded yet", delivery->id);
	delivery_refund(delivery);
	delivery_end(delivery, reply);
}

static void end_unknown(struct attempt *attempt, const struct upstream_outcome *upstream)
{
	struct delivery *delivery = attempt->delivery;
	const struct outcome unknown = { AUDIT_MESSAGE_UNKNOWN, upstream->reply, upstream->reason,
					 span_of(upstream->host) };
	log_error("message %s: relay %s may have it or not: %.*s", delivery->id, relay_name(attempt),
		  SPAN_ARGS(upstream->reason));
	count(attempt, STATS_RESULT_UNKNOWN);
	budget_spend(&attempt->claim);
	if (record(attempt, &unknown) != STATUS_OK)
		log_error("message %s: unknown, and not recorded yet", delivery->id);
	quota_settle(delivery->all->services->quota, delivery->grant->user, span_of(delivery->token));
	delivery_end(delivery, ANSWER_UNKNOWN);
}

static void end_sent(struct attempt *attempt, const struct upstream_outcome *upstream)
{
	struct delivery *delivery = attempt->delivery;
	struct services *services = delivery->all->services;
	const struct outcome sent = { AUDIT_MESSAGE_SENT, upstream->reply, { 0 }, span_of(upstream->host) };
	struct buf reply BUF_AUTO;
	buf_init(&reply, 2 * REPLY_SIZE_MAXIMUM);
	count(attempt, STATS_RESULT_OK);
	budget_spend(&attempt->claim);
	stats_add(services->stats, COUNTER_MESSAGE_BYTES, 0, delivery->check.size);
	log_info("message %s of %.*s sent by relay %s to %zu recipients", delivery->id,
		 SPAN_ARGS(delivery->grant->user), relay_name(attempt), recipients_accepted(&delivery->recipients));
	if (record(attempt, &sent) != STATUS_OK)
		log_error("message %s: sent, and not recorded yet", delivery->id);
	quota_settle(services->quota, delivery->grant->user, span_of(delivery->token));
	if (answers_write_accepted(&reply, upstream->reply, delivery->id) == STATUS_OK)
		delivery_end(delivery, buf_span(&reply));
	else
		delivery_end(delivery, SPAN("250 2.0.0 OK"));
}

void outcome_cut_short(struct delivery *delivery)
{
	const struct upstream_outcome cut = { .class = UPSTREAM_UNKNOWN, .reason = SPAN("shutdown"), .host = "" };
	end_unknown(delivery_attempt(delivery), &cut);
}

/* ---- decisions */

static void warn(const struct attempt *attempt, const struct upstream_outcome *upstream)
{
	log_warning("message %s: relay %s: %.*s", attempt->delivery->id, relay_name(attempt),
		    SPAN_ARGS(upstream->reason));
}

static struct span answer_of_class(enum upstream_class class)
{
	switch (class) {
	case UPSTREAM_LOGIN:
		return ANSWER_UPSTREAM_LOGIN;
	case UPSTREAM_BUSY:
	case UPSTREAM_THROTTLED:
	case UPSTREAM_ACCOUNT:
	case UPSTREAM_TENANT:
		return ANSWER_UPSTREAM_BUSY;
	case UPSTREAM_TRANSPORT:
	case UPSTREAM_ACCEPTED:
	case UPSTREAM_RECIPIENTS:
	case UPSTREAM_SENDER:
	case UPSTREAM_MESSAGE:
	case UPSTREAM_UNABLE:
	case UPSTREAM_UNKNOWN:
	default:
		return ANSWER_UPSTREAM_TRANSPORT;
	}
}

/* When no relay is left: final where none of them can carry such a message, for now where one might. */
static struct span answer_of_none_left(const struct delivery *delivery, const struct upstream_outcome *upstream)
{
	for (size_t i = 0; i < delivery->attempt_count; i++) {
		if (!delivery->attempts[i].unable)
			return answer_of_class(upstream->class);
	}
	return upstream->reply;
}

/* Before the message is complete nothing has left: the next relay, or a refusal. */
static void decide_early(struct attempt *attempt, const struct upstream_outcome *upstream)
{
	struct delivery *delivery = attempt->delivery;
	bool promised = recipients_are_promised(&delivery->recipients);
	bool is_final = (upstream->class == UPSTREAM_SENDER || upstream->class == UPSTREAM_MESSAGE) &&
			answers_is_refusal(upstream->reply) && !promised;
	struct refusal refusal = { ANSWER_UPSTREAM_TRANSPORT, REFUSAL_OTHER, upstream->reason };
	attempt->unable = upstream->class == UPSTREAM_UNABLE;
	warn(attempt, upstream);
	if (!is_final && attempt_begin_next(delivery))
		return;
	struct span copy, reply = is_final ? answers_pass(upstream->reply) : answer_of_none_left(delivery, upstream);
	if (arena_copy(&delivery->arena, reply, &copy) == STATUS_OK)
		refusal.reply = copy;
	recipients_refuse_rest(&delivery->recipients, refusal.reply);
	refusal_note(delivery, &refusal);
	delivery_doom(delivery, refusal.reply);
}

/* The relay can't, or won't for reasons that are not the message's: the next one gets all of it. */
static void pass_on(struct attempt *attempt, const struct upstream_outcome *upstream)
{
	struct delivery *delivery = attempt->delivery;
	const struct outcome failed = { AUDIT_MESSAGE_FAILED, upstream->reply, upstream->reason,
					span_of(upstream->host) };
	bool may_go_on = true;
	attempt->unable = upstream->class == UPSTREAM_UNABLE;
	warn(attempt, upstream);
	count(attempt, STATS_RESULT_FAILED);
	budget_give_back(&attempt->claim);
	if (attempt->leaving != LEAVING_NONE && !attempt->recorded)
		may_go_on = record(attempt, &failed) == STATUS_OK;
	if (may_go_on && attempt_begin_next(delivery)) {
		if (delivery->state != DELIVERY_COMPLETE)
			delivery_set_state(delivery, DELIVERY_COMPLETE);
		return;
	}
	fail(attempt, upstream, answer_of_none_left(delivery, upstream));
}

static bool is_about_message(const struct attempt *attempt, const struct upstream_outcome *upstream)
{
	if (!answers_is_refusal(upstream->reply))
		return false;
	/* The first relay took this sender; what a later one thinks of it is not the client's fault. */
	return upstream->class == UPSTREAM_MESSAGE || (upstream->class == UPSTREAM_SENDER && attempt->number == 1);
}

static void decide_complete(struct attempt *attempt, const struct upstream_outcome *upstream)
{
	if (is_about_message(attempt, upstream)) {
		count(attempt, STATS_RESULT_REFUSED);
		fail(attempt, upstream, answers_pass(upstream->reply));
	} else {
		pass_on(attempt, upstream);
	}
}

/* The final dot is out: only a reply tells that the relay has it, or has it not. */
static void decide_released(struct attempt *attempt, const struct upstream_outcome *upstream)
{
	struct services *services = attempt->delivery->all->services;
	if (upstream->class != UPSTREAM_UNKNOWN && !upstream->dot_released) {
		decide_complete(attempt, upstream); /* it was over before it heard of the dot */
		return;
	}
	if (upstream->class == UPSTREAM_UNKNOWN || span_is_empty(upstream->reply)) {
		end_unknown(attempt, upstream);
		return;
	}
	stats_observe_ms(services->stats, COUNTER_UPSTREAM_TIME, (unsigned)attempt->relay,
			 loop_now_ms(services->loop) - attempt->released_ms);
	if (upstream->class == UPSTREAM_ACCEPTED)
		end_sent(attempt, upstream);
	else if (answers_is_refusal(upstream->reply))
		decide_complete(attempt, upstream);
	else
		end_unknown(attempt, upstream);
}

void outcome_decide(struct attempt *attempt, const struct upstream_outcome *upstream)
{
	switch (attempt->delivery->state) {
	case DELIVERY_ENVELOPE:
	case DELIVERY_DATA:
		decide_early(attempt, upstream);
		break;
	case DELIVERY_COMPLETE:
	case DELIVERY_HANDOVER:
		decide_complete(attempt, upstream);
		break;
	case DELIVERY_RELEASED:
		decide_released(attempt, upstream);
		break;
	case DELIVERY_DOOMED:
	case DELIVERY_DONE:
		break;
	}
}

void outcome_trouble(struct attempt *attempt, enum upstream_class class, struct span reason)
{
	const struct upstream_outcome trouble = { .class = class, .reason = reason, .host = "" };
	attempt_drop(attempt);
	outcome_decide(attempt, &trouble);
}
