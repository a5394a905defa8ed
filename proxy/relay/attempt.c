/*
 * One relay being tried: what is asked of relay/upstream/upstream.h, the account's budget, the sender's rewriting and
 * the audit, and what they answer. Each answer is noted and wakes the delivery; a failure is noted as the attempt's
 * end. The upstream is the pool's; an attempt lets go of it when it is told that it is over, or by attempt_drop.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/delivery_private.h"

/* The first end stands. */
static void note_end(struct attempt *attempt, const struct attempt_end *end)
{
	if (!attempt->is_over)
		attempt->end = *end;
	attempt->is_over = true;
	delivery_wake(attempt->delivery);
}

/* By what we saw ourselves; `reason` is constant. */
static void note_failure(struct attempt *attempt, enum upstream_class class, struct span reason)
{
	note_end(attempt, &(struct attempt_end){ .class = class, .reason = reason });
}

static struct budget *budget_of(const struct attempt *attempt)
{
	const struct services *services = attempt->delivery->all->services;
	return services->budgets ? services->budgets[attempt->relay] : NULL;
}

/* The mailbox that the message goes by, and the budget that counts: that of the mailbox, or of the relay's account. */
static enum status choose_account(struct attempt *attempt, struct budget **out_budget)
{
	struct delivery *delivery = attempt->delivery;
	struct services *services = delivery->all->services;
	const struct config_relay *relay = attempt_section(attempt);
	struct budget_limits limits;
	char mailbox[ADDRESS_MAXIMUM + 1];
	*out_budget = budget_of(attempt);
	if (!mailboxes_name(services->config, relay, delivery->mail_from, mailbox))
		return STATUS_OK;
	TRY(arena_copy(&delivery->arena, span_of(mailbox), &attempt->mailbox));
	if (!mailboxes_limits(relay, &limits))
		return STATUS_OK;
	*out_budget = mailboxes_budget(services->mailboxes, relay, attempt->mailbox);
	return *out_budget ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- what the upstream says */

static void on_replies(void *context, const struct span *replies, size_t count)
{
	struct attempt *attempt = context;
	struct recipients *recipients = &attempt->delivery->recipients;
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = recipients_take_reply(recipients, replies[i]);
	if (status != STATUS_OK)
		note_failure(attempt, UPSTREAM_TRANSPORT, span_of(status_text(status)));
	else if (recipients->promise_broken)
		note_failure(attempt, UPSTREAM_TRANSPORT, SPAN("it refuses a recipient that was answered with 250"));
	else
		delivery_wake_with_news(attempt->delivery);
}

static void on_held(void *context)
{
	struct attempt *attempt = context;
	attempt->held = true;
	delivery_wake(attempt->delivery);
}

/* A copy; out of memory another text that means the same. */
static struct span keep_text(struct delivery *delivery, struct span text, struct span otherwise)
{
	struct span copy;
	return arena_copy(&delivery->arena, text, &copy) == STATUS_OK ? copy : otherwise;
}

static struct span keep_reply(struct delivery *delivery, struct span reply)
{
	if (answers_is_accepted(reply))
		return keep_text(delivery, reply, SPAN("250 2.0.0 OK"));
	if (answers_is_refusal(reply))
		return keep_text(delivery, reply, ANSWER_NO_MEMORY);
	return keep_text(delivery, reply, (struct span){ 0 });
}

static void on_done(void *context, const struct upstream_outcome *outcome)
{
	struct attempt *attempt = context;
	struct delivery *delivery = attempt->delivery;
	const struct attempt_end end = {
		.class = outcome->class,
		.reply = keep_reply(delivery, outcome->reply),
		.reason = keep_text(delivery, outcome->reason, SPAN("out of memory for the reason")),
		.host = keep_text(delivery, span_of(outcome->host), (struct span){ 0 }),
		.dot_released = outcome->dot_released,
	};
	attempt->upstream = NULL;
	rewriting_cancel(&attempt->rewriting);
	spool_message_free(&attempt->copy);
	note_end(attempt, &end);
}

static const struct upstream_handler handler = { on_replies, on_held, on_done };

static enum status list_asked(const struct delivery *delivery, size_t from, struct upstream_recipient **out_list)
{
	const struct recipients *recipients = &delivery->recipients;
	struct upstream_recipient *list = calloc(recipients->asked_count - from + 1, sizeof(*list));
	if (list == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = from; i < recipients->asked_count; i++) {
		const struct recipient *recipient = &recipients->items[recipients->asked[i]];
		list[i - from] = (struct upstream_recipient){ recipient->address, recipient->parameters };
	}
	*out_list = list;
	return STATUS_OK;
}

/* ---- time */

/*
 * An equal share of the time that is left for this relay and each after it, so that one that hangs leaves the next its
 * time; 0: none is left.
 */
static uint64_t share_of_time_ms(const struct attempt *attempt)
{
	const struct delivery *delivery = attempt->delivery;
	uint64_t now = loop_now_ms(delivery->all->services->loop);
	uint64_t deadline = delivery_deadline_ms(delivery);
	uint64_t left = deadline > now ? deadline - now : 0;
	uint64_t share = left / (delivery->route.count - attempt->number + 1);
	if (share < SHARE_LEAST_MS)
		share = left < SHARE_LEAST_MS ? left : SHARE_LEAST_MS;
	return share;
}

/* ---- the envelope */

static enum status begin_attempt(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct upstream_envelope envelope = {
		.user = delivery->grant->user,
		.mail_from = delivery->mail_from,
		.eight_bit = delivery->eight_bit || delivery->check.has_eight_bit,
		.smtputf8 = delivery->smtputf8,
		.ret = delivery->ret,
		.envid = delivery->envid,
		.size = delivery->complete_ms ? delivery->check.size : delivery->declared_size,
	};
	struct upstream_recipient *list;
	struct span sent_as = span_of(attempt_section(attempt)->rewrite_sender);
	struct budget *budget;
	uint64_t limit = share_of_time_ms(attempt);
	TRY(choose_account(attempt, &budget));
	envelope.mailbox = attempt->mailbox;
	if (budget && budget_is_spent(budget))
		return STATUS_REFUSED;
	if (limit == 0)
		return STATUS_TIMEOUT;
	if (sent_as.size && delivery->mail_from.size) /* a bounce stays one: it has no sender */
		envelope.mail_from = sent_as;
	recipients_begin_attempt(&delivery->recipients);
	TRY(list_asked(delivery, 0, &list));
	enum status status =
		upstream_begin(delivery->all->services->pools[attempt->relay], &envelope, list,
			       delivery->recipients.asked_count, limit, &handler, attempt, &attempt->upstream);
	free(list);
	return status;
}

bool attempt_begin_next(struct delivery *delivery)
{
	while (delivery->attempt_count < delivery->route.count) {
		struct attempt *attempt = &delivery->attempts[delivery->attempt_count];
		*attempt = (struct attempt){
			.delivery = delivery,
			.relay = delivery->route.relays[delivery->attempt_count++],
			.number = (unsigned)delivery->attempt_count,
		};
		enum status status = begin_attempt(attempt);
		if (status == STATUS_OK)
			return true;
		log_warning("message %s: relay %s not tried: %s", delivery->id, attempt_section(attempt)->name,
			    status_text(status));
	}
	return false;
}

void attempt_ask_more(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct upstream_recipient *list;
	size_t from = recipients_ask_new(&delivery->recipients);
	enum status status = list_asked(delivery, from, &list);
	if (status == STATUS_OK) {
		status = upstream_add_recipients(attempt->upstream, list, delivery->recipients.asked_count - from);
		free(list);
	}
	if (status != STATUS_OK)
		note_failure(attempt, UPSTREAM_TRANSPORT, span_of(status_text(status)));
}

/* ---- the account's budget */

static void note_budget(struct attempt *attempt, enum budget_verdict verdict)
{
	attempt->budgeted = verdict == BUDGET_TAKEN;
	if (verdict == BUDGET_SPENT)
		note_failure(attempt, UPSTREAM_ACCOUNT, SPAN("its account has sent as much as it may for now"));
	else if (verdict != BUDGET_TAKEN && verdict != BUDGET_ASKED)
		note_failure(attempt, UPSTREAM_TRANSPORT,
			     SPAN("the budget of its account can't be counted: Redis is away"));
}

static void on_budget(void *context, enum budget_verdict verdict)
{
	struct attempt *attempt = context;
	note_budget(attempt, verdict);
	delivery_wake(attempt->delivery);
}

/* False: not yet, or not at all. */
static bool take_budget(struct attempt *attempt)
{
	struct budget *budget;
	if (attempt->budgeted || attempt->claim.budget)
		return attempt->budgeted;
	if (choose_account(attempt, &budget) != STATUS_OK) {
		note_failure(attempt, UPSTREAM_TRANSPORT, SPAN("out of memory"));
		return false;
	}
	if (budget)
		note_budget(attempt, budget_take(budget, recipients_accepted(&attempt->delivery->recipients),
						 &attempt->claim, on_budget, attempt));
	else
		attempt->budgeted = true;
	return attempt->budgeted;
}

/* ---- another sender */

static void on_rewritten(void *context, enum status status, struct spool_message *copy, int64_t growth)
{
	struct attempt *attempt = context;
	attempt->rewriting = NULL;
	attempt->copy = copy;
	attempt->growth = growth;
	if (status != STATUS_OK)
		note_failure(attempt, UPSTREAM_TRANSPORT, SPAN("no copy with the relay's own sender can be made"));
	delivery_wake(attempt->delivery);
}

/* False: not yet, or not at all. */
static bool rewrite_sender(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct span sent_as = span_of(attempt_section(attempt)->rewrite_sender);
	if (sent_as.size == 0 || attempt->copy)
		return true;
	if (attempt->rewriting)
		return false;
	enum status status = rewriting_begin(delivery->all->services->loop, delivery->message, sent_as, on_rewritten,
					     attempt, &attempt->rewriting);
	if (status != STATUS_OK)
		note_failure(attempt, UPSTREAM_TRANSPORT, span_of(status_text(status)));
	return false;
}

/* ---- the message */

static void on_leaving_written(void *context, enum status written)
{
	struct attempt *attempt = context;
	attempt->delivery->callbacks--;
	attempt->leaving = written == STATUS_OK ? LEAVING_WRITTEN : LEAVING_FAILED;
	delivery_wake(attempt->delivery);
}

bool attempt_hand_over(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	const struct refusal refusal = { ANSWER_AUDIT_STUCK, REFUSAL_AUDIT, SPAN("audit unavailable") };
	if (!take_budget(attempt) || !rewrite_sender(attempt))
		return false;
	if (outcome_record_leaving(attempt, on_leaving_written, attempt) != STATUS_OK) {
		delivery_refuse(delivery, &refusal);
		return false;
	}
	delivery->callbacks++;
	attempt->leaving = LEAVING_SUBMITTED;
	upstream_send(attempt->upstream, attempt->copy ? attempt->copy : delivery->message,
		      (uint64_t)((int64_t)delivery->check.size + attempt->growth), delivery->check.has_eight_bit,
		      share_of_time_ms(attempt));
	return true;
}

/*
 * For the reply to the final dot: so that the client hears within DOT_LIMIT_MS, unless its administrator asks for more
 * time than that. Without the reply the message may be sent twice; with it later than clients wait, too.
 */
static uint64_t verdict_ms(const struct attempt *attempt)
{
	const struct delivery *delivery = attempt->delivery;
	uint64_t timeout = attempt_section(attempt)->reply_timeout;
	uint64_t left = delivery->complete_ms + DOT_LIMIT_MS - attempt->released_ms;
	return timeout > DOT_LIMIT_MS || timeout < left ? timeout : left;
}

void attempt_release(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	assert(attempt->leaving == LEAVING_WRITTEN && attempt->held && delivery->charge == CHARGE_GRANTED);
	attempt->released = true;
	attempt->released_ms = loop_now_ms(delivery->all->services->loop);
	upstream_release(attempt->upstream, verdict_ms(attempt));
}

void attempt_cut(struct attempt *attempt)
{
	note_failure(attempt, UPSTREAM_UNKNOWN, SPAN("shutdown"));
}

void attempt_drop(struct attempt *attempt)
{
	rewriting_cancel(&attempt->rewriting);
	if (!attempt->released)
		budget_give_back(&attempt->claim);
	if (attempt->upstream && !attempt->released)
		upstream_abort(&attempt->upstream);
	if (attempt->upstream == NULL)
		spool_message_free(&attempt->copy);
}
