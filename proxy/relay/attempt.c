/*
 * One upstream being tried: what is asked of relay/upstream/upstream.h, the account's budget, the sender's rewriting
 * and the audit, and what they answer. Each answer is noted and wakes the delivery; a failure is noted as the attempt's
 * end. The upstream_attempt is the pool's; an attempt lets go of it when it is told that it is over, or by
 * attempt_drop.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/delivery_private.h"
#include "relay/redirection.h"

/* Nothing but message.leaving is still to come. */
static void claim_leaving(const struct attempt *attempt)
{
	if (attempt->leaving == LEAVING_SUBMITTED)
		audit_claim(attempt->delivery->all->services->audit);
}

/* The first end stands. */
static void note_end(struct attempt *attempt, const struct attempt_end *end)
{
	if (!attempt->is_over)
		attempt->end = *end;
	attempt->is_over = true;
	claim_leaving(attempt);
	delivery_wake(attempt->delivery);
}

/* It failed by what we saw ourselves; `reason` is constant. */
static void note_failure(struct attempt *attempt, enum upstream_class class, struct span reason)
{
	note_end(attempt, &(struct attempt_end){ .class = class, .reason = reason });
}

/* The mailbox that the message goes by, and the budget that counts: the mailbox's, or the upstream account's. */
static enum status choose_account(struct attempt *attempt, struct budget **out_budget)
{
	struct delivery *delivery = attempt->delivery;
	struct services *services = delivery->all->services;
	const struct config_relay *relay = attempt_section(attempt);
	struct budget_limits limits;
	char mailbox[ADDRESS_MAXIMUM + 1];
	*out_budget = services->budgets ? services->budgets[attempt->relay] : NULL;
	if (!mailboxes_name(services->config, relay, delivery->mail_from, mailbox))
		return STATUS_OK;
	TRY(arena_copy(&delivery->arena, span_of(mailbox), &attempt->mailbox));
	if (!mailboxes_limits(relay, &limits))
		return STATUS_OK;
	*out_budget = mailboxes_budget(services->mailboxes, relay, attempt->mailbox);
	return *out_budget ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- what the upstream says */

/* What the upstream says of the one mailbox that it was asked for is said of all that are redirected to it. */
static enum status spread_reply(struct attempt *attempt)
{
	struct recipients *recipients = &attempt->delivery->recipients;
	while (recipients->answered < recipients->asked_count)
		TRY(recipients_take_reply(recipients, attempt->redirect_reply));
	return STATUS_OK;
}

static enum status take_replies(struct attempt *attempt, const struct span *replies, size_t count)
{
	struct delivery *delivery = attempt->delivery;
	if (attempt->is_redirected && count) {
		TRY(arena_copy(&delivery->arena, replies[0], &attempt->redirect_reply));
		return spread_reply(attempt);
	}
	for (size_t i = 0; i < count; i++)
		TRY(recipients_take_reply(&delivery->recipients, replies[i]));
	return STATUS_OK;
}

static void on_replies(void *context, const struct span *replies, size_t count)
{
	struct attempt *attempt = context;
	struct recipients *recipients = &attempt->delivery->recipients;
	enum status status = take_replies(attempt, replies, count);
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
	claim_leaving(attempt);
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
		.digest = keep_text(delivery, outcome->digest, (struct span){ 0 }),
		.dot_released = outcome->dot_released,
	};
	attempt->upstream = NULL;
	rewriting_cancel(&attempt->rewriting);
	spool_message_free(&attempt->copy);
	note_end(attempt, &end);
}

static const struct upstream_handler handler = { on_replies, on_held, on_done };

/* Those asked for from `from` on, as the upstream is to know them: one mailbox for all that are redirected to it. */
static enum status list_asked(struct attempt *attempt, size_t from, struct upstream_recipient **out_list,
			      size_t *out_count)
{
	const struct delivery *delivery = attempt->delivery;
	const struct recipients *recipients = &delivery->recipients;
	struct upstream_recipient *list = calloc(recipients->asked_count - from + 1, sizeof(*list));
	if (list == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = from; i < recipients->asked_count; i++) {
		const struct recipient *recipient = &recipients->items[recipients->asked[i]];
		list[i - from] = (struct upstream_recipient){ recipient->address, recipient->parameters };
	}
	*out_count = recipients->asked_count - from;
	if (*out_count && !span_is_empty(redirection_address(delivery->grant))) {
		list[0] = (struct upstream_recipient){ redirection_address(delivery->grant), { 0 } };
		*out_count = attempt->is_redirected ? 0 : 1;
		attempt->is_redirected = true;
	}
	*out_list = list;
	return STATUS_OK;
}

/* ---- time */

/*
 * An equal share of the time that is left for this upstream and each after it, so that one that hangs leaves the next
 * its time; 0: none is left.
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
	size_t count;
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
	TRY(list_asked(attempt, 0, &list, &count));
	enum status status = upstream_begin(delivery->all->services->pools[attempt->relay], &envelope, list, count,
					    limit, &handler, attempt, &attempt->upstream);
	free(list);
	return status;
}

/* NULL: there is no memory. */
static struct attempt *add_attempt(struct delivery *delivery)
{
	struct attempt *attempt = arena_alloc(&delivery->arena, sizeof(*attempt));
	if (attempt == NULL) {
		log_warning("message %s: no other relay is tried: out of memory", delivery->id);
		return NULL;
	}
	*attempt = (struct attempt){
		.delivery = delivery,
		.relay = delivery->route.relays[delivery->attempt_count],
		.number = (unsigned)delivery->attempt_count + 1,
	};
	buf_init(&attempt->alike, ALIKE_MAXIMUM);
	delivery->attempts[delivery->attempt_count++] = attempt;
	return attempt;
}

bool attempt_begin_next(struct delivery *delivery)
{
	while (delivery->attempt_count < delivery->route.count) {
		struct attempt *attempt = add_attempt(delivery);
		if (attempt == NULL)
			return false;
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
	struct upstream_recipient *list = NULL;
	size_t count, from = recipients_ask_new(&attempt->delivery->recipients);
	enum status status = list_asked(attempt, from, &list, &count);
	if (status == STATUS_OK && count)
		status = upstream_add_recipients(attempt->upstream, list, count);
	else if (status == STATUS_OK && attempt->redirect_reply.size)
		status = spread_reply(attempt);
	free(list);
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

static size_t count_for_relay(const struct attempt *attempt)
{
	return attempt->is_redirected ? 1 : recipients_accepted(&attempt->delivery->recipients);
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
		note_budget(attempt,
			    budget_take(budget, count_for_relay(attempt), &attempt->claim, on_budget, attempt));
	else
		attempt->budgeted = true;
	return attempt->budgeted;
}

/* ---- a copy with another header */

static void on_rewritten(void *context, enum status status, struct spool_message *copy, int64_t growth)
{
	struct attempt *attempt = context;
	attempt->rewriting = NULL;
	attempt->copy = copy;
	attempt->growth = growth;
	if (status != STATUS_OK)
		note_failure(attempt, UPSTREAM_STORAGE, SPAN("no copy with another header can be made"));
	delivery_wake(attempt->delivery);
}

static enum status begin_copy(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct rewriting_changes changes = { .account = span_of(attempt_section(attempt)->rewrite_sender) };
	if (attempt->is_redirected)
		TRY(redirection_write_field(&delivery->recipients, &changes.fields));
	return rewriting_begin(delivery->all->services->loop, delivery->message, &changes, on_rewritten, attempt,
			       &attempt->rewriting);
}

/* False: not yet, or not at all. */
static bool change_header(struct attempt *attempt)
{
	bool is_rewritten = span_of(attempt_section(attempt)->rewrite_sender).size > 0;
	if ((!is_rewritten && !attempt->is_redirected) || attempt->copy)
		return true;
	if (attempt->rewriting)
		return false;
	enum status status = begin_copy(attempt);
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
	if (!take_budget(attempt) || !change_header(attempt))
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
 * How long the reply to the final dot may take: the client must hear within DOT_LIMIT_MS, unless the administrator asks
 * for more time than that. If we don't wait for the reply, or it comes when the client has given up, the message may be
 * sent twice.
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
