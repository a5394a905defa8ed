/*
 * One relay being tried: what is asked of relay/upstream/upstream.h, in which order, and
 * what its callbacks mean. The upstream is the pool's; an attempt lets go of
 * it when it is told that it is over, or by attempt_drop.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/delivery_private.h"

static const char *relay_name(const struct attempt *attempt)
{
	return attempt->delivery->all->services->config->relay.items[attempt->relay].name;
}

struct span attempt_sent_as(const struct attempt *attempt)
{
	return span_of(attempt->delivery->all->services->config->relay.items[attempt->relay].rewrite_sender);
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
	const struct config_relay *relay = &services->config->relay.items[attempt->relay];
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
	struct delivery *delivery = attempt->delivery;
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = recipients_take_reply(&delivery->recipients, replies[i]);
	if (status != STATUS_OK) {
		outcome_trouble(attempt, UPSTREAM_TRANSPORT, span_of(status_text(status)));
	} else if (delivery->recipients.promise_broken) {
		outcome_trouble(attempt, UPSTREAM_TRANSPORT, SPAN("it refuses a recipient that was answered with 250"));
	} else {
		delivery_report(delivery);
		delivery_advance(delivery);
	}
	delivery_free_if_over(delivery);
}

static void on_held(void *context)
{
	struct attempt *attempt = context;
	attempt->held = true;
	delivery_advance(attempt->delivery);
	delivery_free_if_over(attempt->delivery);
}

static void on_done(void *context, const struct upstream_outcome *outcome)
{
	struct attempt *attempt = context;
	struct delivery *delivery = attempt->delivery;
	attempt->upstream = NULL;
	rewriting_cancel(&attempt->rewriting);
	spool_message_free(&attempt->copy);
	outcome_decide(attempt, outcome);
	delivery_free_if_over(delivery);
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

uint64_t attempt_deadline_ms(const struct delivery *delivery)
{
	if (delivery->complete_ms == 0)
		return delivery->asked_ms + ENVELOPE_LIMIT_MS;
	return delivery->complete_ms + DOT_LIMIT_MS - VERDICT_MS;
}

/* Of the time left an equal share for this relay and each behind it, so that one that hangs leaves the next its time; 0: none is left. */
static uint64_t share_ms(const struct attempt *attempt)
{
	const struct delivery *delivery = attempt->delivery;
	uint64_t now = loop_now_ms(delivery->all->services->loop);
	uint64_t deadline = attempt_deadline_ms(delivery);
	uint64_t left = deadline > now ? deadline - now : 0;
	uint64_t share = left / (delivery->route.count - attempt->number + 1);
	if (share < SHARE_LEAST_MS)
		share = left < SHARE_LEAST_MS ? left : SHARE_LEAST_MS;
	return share;
}

/* ---- the envelope */

static enum status begin(struct attempt *attempt)
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
	struct span sent_as = attempt_sent_as(attempt);
	struct budget *budget;
	uint64_t limit = share_ms(attempt);
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
		enum status status = begin(attempt);
		if (status == STATUS_OK)
			return true;
		log_warning("message %s: relay %s not tried: %s", delivery->id, relay_name(attempt),
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
		outcome_trouble(attempt, UPSTREAM_TRANSPORT, span_of(status_text(status)));
}

/* ---- the message */

static void on_leaving_written(void *context, enum status written)
{
	struct attempt *attempt = context;
	struct delivery *delivery = attempt->delivery;
	const struct refusal refusal = { ANSWER_AUDIT_STUCK, REFUSAL_AUDIT, SPAN("audit unavailable") };
	delivery->callbacks--;
	attempt->leaving = written == STATUS_OK ? LEAVING_WRITTEN : LEAVING_FAILED;
	if (!attempt->recorded && delivery->state == DELIVERY_HANDOVER) {
		if (written == STATUS_OK)
			delivery_advance(delivery);
		else
			outcome_give_up(delivery, &refusal);
	}
	delivery_free_if_over(delivery);
}

static enum status record_leaving(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct record_message record = refusal_describe(delivery);
	record.attempt = attempt->number;
	record.relay = span_of(relay_name(attempt));
	record.sent_as = attempt_sent_as(attempt);
	if (delivery->foreign_sender)
		record.reason = SPAN("sender not owned by the user");
	return records_message(delivery->all->services->audit, AUDIT_MESSAGE_LEAVING, &record, on_leaving_written,
			       attempt);
}

/* ---- the account's budget */

static void judge_budget(struct attempt *attempt, enum budget_verdict verdict)
{
	attempt->budgeted = verdict == BUDGET_TAKEN;
	if (verdict == BUDGET_SPENT)
		outcome_trouble(attempt, UPSTREAM_ACCOUNT, SPAN("its account has sent as much as it may for now"));
	else if (verdict != BUDGET_TAKEN && verdict != BUDGET_ASKED)
		outcome_trouble(attempt, UPSTREAM_TRANSPORT,
				SPAN("the budget of its account can't be counted: Redis is away"));
}

static void on_budget(void *context, enum budget_verdict verdict)
{
	struct attempt *attempt = context;
	struct delivery *delivery = attempt->delivery;
	judge_budget(attempt, verdict);
	delivery_advance(delivery);
	delivery_free_if_over(delivery);
}

/* False: not yet, or not at all. */
static bool take_budget(struct attempt *attempt)
{
	struct budget *budget;
	if (attempt->budgeted || attempt->claim.budget)
		return attempt->budgeted;
	if (choose_account(attempt, &budget) != STATUS_OK) {
		outcome_trouble(attempt, UPSTREAM_TRANSPORT, SPAN("out of memory"));
		return false;
	}
	if (budget)
		judge_budget(attempt, budget_take(budget, recipients_accepted(&attempt->delivery->recipients),
						  &attempt->claim, on_budget, attempt));
	else
		attempt->budgeted = true;
	return attempt->budgeted;
}

static void hand_over(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	const struct refusal refusal = { ANSWER_AUDIT_STUCK, REFUSAL_AUDIT, SPAN("audit unavailable") };
	if (record_leaving(attempt) != STATUS_OK) {
		outcome_give_up(delivery, &refusal);
		return;
	}
	delivery->callbacks++;
	attempt->leaving = LEAVING_SUBMITTED;
	delivery_set_state(delivery, DELIVERY_HANDOVER);
	upstream_send(attempt->upstream, attempt->copy ? attempt->copy : delivery->message,
		      (uint64_t)((int64_t)delivery->check.size + attempt->growth), delivery->check.has_eight_bit,
		      share_ms(attempt));
}

/* ---- another sender */

static void on_rewritten(void *context, enum status status, struct spool_message *copy, int64_t growth)
{
	struct attempt *attempt = context;
	struct delivery *delivery = attempt->delivery;
	attempt->rewriting = NULL;
	attempt->copy = copy;
	attempt->growth = growth;
	if (status != STATUS_OK)
		outcome_trouble(attempt, UPSTREAM_TRANSPORT, SPAN("no copy with the relay's own sender can be made"));
	else
		delivery_advance(delivery);
	delivery_free_if_over(delivery);
}

/* False: not yet, or not at all. */
static bool rewrite(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	struct services *services = delivery->all->services;
	struct span sent_as = attempt_sent_as(attempt);
	if (sent_as.size == 0 || attempt->copy)
		return true;
	if (attempt->rewriting)
		return false;
	enum status status =
		rewriting_begin(services->loop, delivery->message, sent_as, on_rewritten, attempt, &attempt->rewriting);
	if (status != STATUS_OK)
		outcome_trouble(attempt, UPSTREAM_TRANSPORT, span_of(status_text(status)));
	return false;
}

void attempt_hand_over(struct attempt *attempt)
{
	if (take_budget(attempt) && rewrite(attempt))
		hand_over(attempt);
}

/*
 * For the reply to the final dot: so that the client hears within DOT_LIMIT_MS, unless its administrator asks for more
 * time than that. Without the reply the message may be sent twice; with it later than clients wait, too.
 */
static uint64_t verdict_ms(const struct attempt *attempt)
{
	const struct delivery *delivery = attempt->delivery;
	uint64_t timeout = delivery->all->services->config->relay.items[attempt->relay].reply_timeout;
	uint64_t left = delivery->complete_ms + DOT_LIMIT_MS - attempt->released_ms;
	return timeout > DOT_LIMIT_MS || timeout < left ? timeout : left;
}

void attempt_release(struct attempt *attempt)
{
	struct delivery *delivery = attempt->delivery;
	assert(attempt->leaving == LEAVING_WRITTEN && attempt->held && delivery->charge == CHARGE_GRANTED);
	delivery_set_state(delivery, DELIVERY_RELEASED);
	attempt->released = true;
	attempt->released_ms = loop_now_ms(delivery->all->services->loop);
	upstream_release(attempt->upstream, verdict_ms(attempt));
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
