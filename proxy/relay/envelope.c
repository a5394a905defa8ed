/*
 * What a delivery's turn does for the recipients that a gate named: who may send, as whom, by which upstream; asks that
 * upstream for them, and reports what became of them. A refusal goes to those that are new, and the transaction goes
 * on.
 */
#include "base/log.h"
#include "relay/delivery_private.h"
#include "relay/recheck.h"
#include "relay/senders.h"
#include "smtp/address.h"

/* ---- may it? */

static bool refuse_quota(struct delivery *delivery, struct refusal *out_refusal)
{
	struct quota_state state;
	struct grant *grant = delivery->grant;
	if (grant->is_own || !quota_is_exhausted(delivery->all->services->quota, grant->user, &grant->limits, &state))
		return false;
	charge_note_exceeded(delivery, &state);
	*out_refusal = charge_explain(delivery, QUOTA_DAY_EXCEEDED, &state);
	return true;
}

static bool refuse_ended(const struct delivery *delivery, struct refusal *out_refusal)
{
	if (delivery->grant->has_ended)
		*out_refusal = (struct refusal){ ANSWER_ENDED, REFUSAL_OTHER, SPAN("access ended") };
	return delivery->grant->has_ended;
}

static bool refuse_unchecked(const struct delivery *delivery, struct refusal *out_refusal)
{
	if (!recheck_is_overdue(delivery->all->services->rechecks, delivery->grant))
		return false;
	*out_refusal = (struct refusal){ ANSWER_UNCHECKED, REFUSAL_OTHER, SPAN("directory unavailable for too long") };
	return true;
}

static bool refuse_sender(struct delivery *delivery, struct refusal *out_refusal)
{
	const struct config *config = delivery->all->services->config;
	if (!span_is_empty(delivery->mail_from) && !address_is_valid(delivery->mail_from, delivery->smtputf8)) {
		*out_refusal =
			(struct refusal){ ANSWER_BAD_SENDER, REFUSAL_SYNTAX, SPAN("malformed sender from a gate") };
		return true;
	}
	switch (senders_check(config, delivery->grant, delivery->mail_from)) {
	case SENDERS_ALLOWED:
		return false;
	case SENDERS_FOREIGN:
		delivery->foreign_sender = true;
		return false;
	case SENDERS_REFUSED:
	default:
		*out_refusal =
			(struct refusal){ ANSWER_SENDER_REFUSED, REFUSAL_SENDER, SPAN("sender not owned by the user") };
		return true;
	}
}

/* Counts it among the user's transactions, once. */
static bool refuse_admission(struct delivery *delivery, struct refusal *out_refusal)
{
	struct services *services = delivery->all->services;
	if (delivery->user)
		return false;
	struct user *user = users_enter(services->users, delivery->grant->user, &delivery->grant->limits);
	if (user == NULL) {
		*out_refusal = (struct refusal){ ANSWER_NO_MEMORY, REFUSAL_OTHER, SPAN("out of memory") };
		return true;
	}
	if (user->transactions >= services->config->limits.transactions_per_user) {
		*out_refusal = (struct refusal){ ANSWER_TOO_MANY_TRANSACTIONS, REFUSAL_TRANSACTIONS,
						 SPAN("too many messages of this user under way") };
		return true;
	}
	user->transactions++;
	delivery->user = user;
	return false;
}

static bool refuse_envelope(struct delivery *delivery, struct refusal *out_refusal)
{
	struct services *services = delivery->all->services;
	if (refuse_ended(delivery, out_refusal) || refuse_unchecked(delivery, out_refusal) ||
	    refuse_sender(delivery, out_refusal))
		return true;
	if (delivery->declared_size > services->config->limits.message_size) {
		*out_refusal = (struct refusal){ ANSWER_TOO_LARGE, REFUSAL_SIZE, SPAN("declared size too large") };
		return true;
	}
	if (leaving_is_stuck(services)) {
		*out_refusal = (struct refusal){ ANSWER_AUDIT_STUCK, REFUSAL_AUDIT, SPAN("audit unavailable") };
		return true;
	}
	if (refuse_quota(delivery, out_refusal))
		return true;
	if (routes_choose(services->config, delivery->grant, delivery->mail_from, &delivery->route) != STATUS_OK) {
		*out_refusal = (struct refusal){ ANSWER_NO_ROUTE, REFUSAL_ROUTE, SPAN("no route") };
		return true;
	}
	return refuse_admission(delivery, out_refusal);
}

/* ---- asking */

/*
 * True: those that are new have their reply. A record names all recipients so far, and a client may name them one by
 * one: the first record is enough.
 */
static bool refuse_new_recipients(struct delivery *delivery)
{
	struct refusal refusal;
	bool is_new = delivery->has_new_recipients;
	delivery->has_new_recipients = false;
	if (!is_new || recipients_unasked(&delivery->recipients) == 0 || !refuse_envelope(delivery, &refusal))
		return false;
	recipients_refuse_new(&delivery->recipients, refusal.reply);
	if (!delivery->refusal_recorded)
		refusal_note(delivery, &refusal);
	return true;
}

static bool ask_relay(struct delivery *delivery)
{
	struct attempt *attempt = delivery_attempt(delivery);
	if (attempt == NULL || attempt->upstream == NULL)
		return attempt_begin_next(delivery);
	attempt_ask_more(attempt);
	return true;
}

bool envelope_ask(struct delivery *delivery)
{
	bool is_asked = true;
	if (recheck_is_awaited(delivery->all->services->rechecks, delivery->grant))
		return true;
	if (!refuse_new_recipients(delivery) && probing_admit(delivery))
		is_asked = ask_relay(delivery);
	probing_recount(delivery);
	return is_asked;
}

/* ---- reporting */

/* How a recipient was answered, for the metric. */
static enum stats_result result_of_recipient(const struct recipient *recipient)
{
	if (answers_is_accepted(recipient->reply))
		return STATS_RESULT_OK;
	return span_starts_with(recipient->reply, SPAN("5")) ? STATS_RESULT_REFUSED : STATS_RESULT_FAILED;
}

static enum status report_batch(struct delivery *delivery)
{
	struct recipients *recipients = &delivery->recipients;
	size_t from = recipients->reported;
	struct buf list BUF_AUTO;
	buf_init(&list, DOOR_FRAME_MAXIMUM - 1024);
	TRY(recipients_report(recipients, &list));
	for (size_t i = from; i < recipients->reported; i++)
		stats_add(delivery->all->services->stats, COUNTER_RECIPIENTS,
			  result_of_recipient(&recipients->items[i]), 1);
	if (delivery->gate) {
		struct door_envelope_reply reply = { delivery->transaction, span_of(delivery->id),
						     codec_list_of(&list) };
		delivery->gate->send_envelope_reply(delivery->gate, &reply);
	}
	return STATUS_OK;
}

void envelope_report(struct delivery *delivery)
{
	const struct refusal lost = { ANSWER_NO_MEMORY, REFUSAL_OTHER, SPAN("out of memory") };
	enum status status = STATUS_OK;
	while (status == STATUS_OK && !probing_holds_report(delivery))
		status = report_batch(delivery);
	probing_recount(delivery);
	if (status == STATUS_OK || status == STATUS_NOT_FOUND)
		return;
	log_error("message %s: replies to recipients lost: %s", delivery->id, status_text(status));
	delivery_refuse(delivery, &lost); /* the gate waits for them */
}
