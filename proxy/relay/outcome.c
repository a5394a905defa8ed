/*
 * What becomes of a message, as records, counters and the client's reply tell it: message.refused where nothing has
 * left, and exactly one outcome after each message.leaving. What can't be known is unknown: never sent again, never
 * refunded. An outcome that the audit can't take now is kept, and tried until it can.
 */
#include <assert.h>

#include "base/log.h"
#include "relay/delivery_private.h"
#include "relay/redirection.h"

#define RECORD_SIZE 512           /* bytes of a record without recipients, about */
#define REASON_MAXIMUM 2048       /* bytes of what is noted and not refused */
#define RECORD_RECIPIENT_SIZE 128 /* bytes of one recipient in it, about */

static struct record_message describe_message(const struct delivery *delivery)
{
	return (struct record_message){
		.grant = delivery->grant,
		.id = delivery->id,
		.helo = delivery->helo,
		.mail_from = delivery->mail_from,
		.header_from = delivery->header_from,
		.message_id = delivery->message_id,
		.recipients = &delivery->recipients,
		.size = delivery->check.size,
		.quota = delivery->quota,
	};
}

static struct record_message describe_attempt(const struct attempt *attempt)
{
	const struct config_quota *shared = attempt->delivery->grant->limits.shared;
	struct record_message record = describe_message(attempt->delivery);
	record.attempt = attempt->number;
	record.relay = span_of(attempt_section(attempt)->name);
	record.redirected_to = redirection_address(attempt->delivery->grant);
	record.sent_as = span_of(attempt_section(attempt)->rewrite_sender);
	record.shared_quota = span_of(shared ? shared->name : "");
	return record;
}

/* ---- refusals of ours */

bool refusal_has_ration(struct services *services, struct grant *grant, size_t size)
{
	struct user *user = users_enter(services->users, grant->user, &grant->limits);
	return user == NULL || rations_take(&services->rations, &user->ration, AUDIT_MESSAGE_REFUSED, size, 1);
}

/* Bytes of its record, about. */
static size_t size_of_record(const struct delivery *delivery, const struct refusal *refusal)
{
	return RECORD_SIZE + delivery->recipients.count * RECORD_RECIPIENT_SIZE + delivery->header_from.size +
	       refusal->reply.size;
}

bool refusal_record(struct delivery *delivery, const struct refusal *refusal)
{
	struct record_message record = describe_message(delivery);
	record.response = refusal->reply;
	record.reason = refusal->reason;
	delivery->refusal_recorded = true;
	if (!refusal_has_ration(delivery->all->services, delivery->grant, size_of_record(delivery, refusal)))
		return false;
	enum status status =
		records_message(delivery->all->services->audit, AUDIT_MESSAGE_REFUSED, &record, NULL, NULL);
	if (status != STATUS_OK)
		log_error("message %s: refusal (%.*s) not recorded: %s", delivery->id, SPAN_ARGS(refusal->reason),
			  status_text(status));
	return true;
}

void refusal_note(struct delivery *delivery, const struct refusal *refusal)
{
	stats_add(delivery->all->services->stats, COUNTER_REFUSED, refusal->counter, 1);
	if (refusal_record(delivery, refusal))
		log_info("message %s of %.*s refused: %.*s", delivery->id, SPAN_ARGS(delivery->grant->user),
			 SPAN_ARGS(refusal->reason));
}

/* ---- records of attempts */

/* "sender <ceo@example.com> not owned by the user", as subgatectl audit senders reads it. */
static enum status note_sender(const struct delivery *delivery, struct buf *reason)
{
	return delivery->foreign_sender
		       ? buf_printf(reason, "sender <%.*s> not owned by the user", SPAN_ARGS(delivery->mail_from))
		       : STATUS_OK;
}

static enum status note_recipient(const struct delivery *delivery, struct buf *reason)
{
	const struct config_recipients *rule = delivery->grant->rule;
	if (delivery->foreign_recipient == 0 || rule == NULL)
		return STATUS_OK;
	struct span address = delivery->recipients.items[delivery->foreign_recipient - 1].address;
	return buf_printf(reason, "%srecipient <%.*s> not allowed by the rule \"%.64s\"", buf_size(reason) ? "; " : "",
			  SPAN_ARGS(address), rule->name);
}

/* What enforcing would have refused; empty where nothing. */
static enum status note_foreign(const struct delivery *delivery, struct buf *reason)
{
	TRY(note_sender(delivery, reason));
	if (buf_size(reason) && delivery->header_noted.size)
		TRY(buf_append(reason, SPAN("; ")));
	TRY(buf_append(reason, delivery->header_noted));
	return note_recipient(delivery, reason);
}

enum status outcome_record_leaving(struct attempt *attempt, audit_callback *callback, void *context)
{
	struct record_message record = describe_attempt(attempt);
	struct buf reason BUF_AUTO;
	buf_init(&reason, REASON_MAXIMUM);
	TRY(note_foreign(attempt->delivery, &reason));
	record.reason = buf_span(&reason);
	record.out_alike = &attempt->alike;
	return leaving_submit(attempt->delivery->all->services, &record, callback, context);
}

static enum status submit_outcome(const struct attempt *attempt, const struct outcome *outcome)
{
	struct services *services = attempt->delivery->all->services;
	struct record_message record = describe_attempt(attempt);
	record.alike = buf_span(&attempt->alike);
	record.relay_host = outcome->host;
	record.response = outcome->response;
	record.reason = outcome->reason;
	if (outcome->type != AUDIT_MESSAGE_FAILED)
		record.digest = attempt->end.digest;
	record.has_duration = true;
	record.duration_ms = loop_now_ms(services->loop) - attempt->delivery->complete_ms;
	return records_message(services->audit, outcome->type, &record, NULL, NULL);
}

/* Exactly once for each attempt that began to leave. Its texts live as long as the delivery. */
static bool record_outcome(struct attempt *attempt, const struct outcome *outcome)
{
	struct delivery *delivery = attempt->delivery;
	assert(attempt->leaving != LEAVING_NONE && !attempt->recorded);
	attempt->recorded = true;
	enum status status = submit_outcome(attempt, outcome);
	if (status == STATUS_OK)
		return true;
	log_error("message %s: its outcome waits for the audit: %s", delivery->id, status_text(status));
	delivery->due = *outcome;
	delivery->due_attempt = attempt;
	delivery->is_due = true;
	return false;
}

void outcome_retry(struct delivery *delivery)
{
	if (submit_outcome(delivery->due_attempt, &delivery->due) == STATUS_OK)
		delivery->is_due = false;
	else
		timer_set(delivery->timer, RECORD_RETRY_MS);
}

static bool has_left(const struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->attempt_count; i++)
		if (delivery->attempts[i]->leaving != LEAVING_NONE)
			return true;
	return false;
}

void outcome_enter_refusal(struct delivery *delivery, const struct refusal *refusal)
{
	struct attempt *attempt = delivery_attempt(delivery);
	const struct outcome failed = { AUDIT_MESSAGE_FAILED, refusal->reply, refusal->reason, { 0 } };
	if (!has_left(delivery)) {
		refusal_note(delivery, refusal);
		return;
	}
	stats_add(delivery->all->services->stats, COUNTER_REFUSED, refusal->counter, 1);
	if (attempt->leaving != LEAVING_NONE && !attempt->recorded)
		(void)record_outcome(attempt, &failed);
}

/* ---- what an attempt's end means */

/* Before the message is complete a refusal is final where the client has not heard 250 for a recipient. */
static bool is_final_early(const struct attempt *attempt)
{
	enum upstream_class class = attempt->end.class;
	return (class == UPSTREAM_SENDER || class == UPSTREAM_MESSAGE) && answers_is_refusal(attempt->end.reply) &&
	       !recipients_are_promised(&attempt->delivery->recipients);
}

static bool is_about_message(const struct attempt *attempt)
{
	enum upstream_class class = attempt->end.class;
	if (!answers_is_refusal(attempt->end.reply))
		return false;
	/* The first upstream took this sender; what a later one thinks of it is not the client's fault. */
	return class == UPSTREAM_MESSAGE || (class == UPSTREAM_SENDER && attempt->number == 1);
}

static enum fate judge_unreleased(const struct attempt *attempt)
{
	bool is_refused = attempt->delivery->complete_ms ? is_about_message(attempt) : is_final_early(attempt);
	return is_refused ? FATE_REFUSED : FATE_FAILED;
}

enum fate outcome_judge(const struct attempt *attempt)
{
	const struct attempt_end *end = &attempt->end;
	struct services *services = attempt->delivery->all->services;
	/* Without dot_released, it was over before it heard of the dot. */
	if (!attempt->released || (end->class != UPSTREAM_UNKNOWN && !end->dot_released))
		return judge_unreleased(attempt);
	/* The final dot is out: only a reply tells whether the upstream has the message. */
	if (end->class == UPSTREAM_UNKNOWN || span_is_empty(end->reply))
		return FATE_UNKNOWN;
	stats_observe_ms(services->stats, COUNTER_UPSTREAM_TIME, (unsigned)attempt->relay,
			 loop_now_ms(services->loop) - attempt->released_ms);
	if (end->class == UPSTREAM_ACCEPTED)
		return FATE_SENT;
	return answers_is_refusal(end->reply) ? judge_unreleased(attempt) : FATE_UNKNOWN;
}

static void count_fate(const struct attempt *attempt, enum fate fate)
{
	static const enum stats_result results[] = {
		[FATE_FAILED] = STATS_RESULT_FAILED,
		[FATE_REFUSED] = STATS_RESULT_REFUSED,
		[FATE_SENT] = STATS_RESULT_OK,
		[FATE_UNKNOWN] = STATS_RESULT_UNKNOWN,
	};
	struct services *services = attempt->delivery->all->services;
	stats_add(services->stats, COUNTER_MESSAGES, (unsigned)attempt->relay * 8 + results[fate], 1);
	if (fate == FATE_SENT)
		stats_add(services->stats, COUNTER_MESSAGE_BYTES, 0, attempt->delivery->check.size);
}

static void log_fate(const struct attempt *attempt, enum fate fate)
{
	const struct delivery *delivery = attempt->delivery;
	const char *relay = attempt_section(attempt)->name;
	size_t count = recipients_accepted(&delivery->recipients);
	if (fate == FATE_SENT)
		log_info("message %s of %.*s sent by relay %s to %zu recipient%s", delivery->id,
			 SPAN_ARGS(delivery->grant->user), relay, count, count == 1 ? "" : "s");
	else if (fate == FATE_UNKNOWN)
		log_error("message %s: relay %s may have it or not: %.*s", delivery->id, relay,
			  SPAN_ARGS(attempt->end.reason));
	else if (fate == FATE_FAILED || delivery->complete_ms == 0)
		log_warning("message %s: relay %s: %.*s", delivery->id, relay, SPAN_ARGS(attempt->end.reason));
}

bool outcome_enter(struct attempt *attempt, enum fate fate)
{
	static const enum audit_type types[] = {
		[FATE_FAILED] = AUDIT_MESSAGE_FAILED,
		[FATE_REFUSED] = AUDIT_MESSAGE_FAILED,
		[FATE_SENT] = AUDIT_MESSAGE_SENT,
		[FATE_UNKNOWN] = AUDIT_MESSAGE_UNKNOWN,
	};
	const struct attempt_end *end = &attempt->end;
	const struct outcome outcome = { types[fate], end->reply, fate == FATE_SENT ? (struct span){ 0 } : end->reason,
					 end->host };
	attempt->unable = end->class == UPSTREAM_UNABLE;
	log_fate(attempt, fate);
	if (attempt->delivery->complete_ms == 0)
		return true;
	count_fate(attempt, fate);
	if (fate == FATE_SENT || fate == FATE_UNKNOWN)
		budget_spend(&attempt->claim);
	else
		budget_give_back(&attempt->claim);
	return attempt->leaving == LEAVING_NONE || record_outcome(attempt, &outcome);
}

/* ---- what the client hears */

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
	case UPSTREAM_STORAGE:
		return ANSWER_SPOOL_FAILED;
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
static struct span answer_of_none_left(const struct attempt *attempt)
{
	const struct delivery *delivery = attempt->delivery;
	for (size_t i = 0; i < delivery->attempt_count; i++) {
		if (!delivery->attempts[i]->unable)
			return answer_of_class(attempt->end.class);
	}
	return attempt->end.reply;
}

struct span outcome_answer(const struct attempt *attempt, enum fate fate, struct buf *room)
{
	switch (fate) {
	case FATE_SENT:
		return answers_write_accepted(room, attempt->end.reply, attempt->delivery->id) == STATUS_OK
			       ? buf_span(room)
			       : SPAN("250 2.0.0 OK");
	case FATE_UNKNOWN:
		return ANSWER_UNKNOWN;
	case FATE_REFUSED:
		return answers_pass(attempt->end.reply);
	case FATE_FAILED:
	default:
		return answer_of_none_left(attempt);
	}
}
