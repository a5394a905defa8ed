/*
 * The first exchange of a message: who may send, as whom, to whom, and by
 * which relay. A gate is not trusted here (promise 2): what it should have
 * checked is checked again, as it would end up in an upstream's dialog.
 */
#include "base/log.h"
#include "relay/delivery_private.h"
#include "relay/senders.h"
#include "smtp/address.h"
#include "smtp/parameters.h"

#define RECIPIENTS_SURPLUS \
	1000 /* refused ones, beyond those a message may have: whoever names more has no list, or means harm */

static bool are_rcpt_parameters(struct span text)
{
	struct rcpt_parameters parameters;
	return text.size <= PARAMETERS_RCPT_TEXT_MAXIMUM && span_is_printable(text) &&
	       parameters_read_rcpt(text, &parameters) == STATUS_OK;
}

/* ---- may it? */

static bool refuse_quota(struct delivery *delivery, struct refusal *out_refusal)
{
	struct quota_state state;
	struct grant *grant = delivery->grant;
	if (!quota_is_exhausted(delivery->all->services->quota, grant->user, &grant->limits, &state))
		return false;
	message_note_exceeded(delivery, &state);
	*out_refusal = message_quota_refusal(delivery, QUOTA_DAY_EXCEEDED, &state);
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

static bool refuse(struct delivery *delivery, struct refusal *out_refusal)
{
	struct services *services = delivery->all->services;
	if (refuse_sender(delivery, out_refusal))
		return true;
	if (delivery->declared_size > services->config->limits.message_size) {
		*out_refusal = (struct refusal){ ANSWER_TOO_LARGE, REFUSAL_SIZE, SPAN("declared size too large") };
		return true;
	}
	if (audit_is_stuck(services->audit)) {
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

/* ---- the recipients of one ENVELOPE */

static struct span check_recipient(const struct delivery *delivery, struct span address, struct span parameters)
{
	if (!span_is_empty(delivery->doom))
		return delivery->doom;
	if (!address_is_valid(address, delivery->smtputf8) || !are_rcpt_parameters(parameters))
		return ANSWER_BAD_RECIPIENT;
	if (delivery->recipients.count >= delivery->all->services->config->limits.recipients_per_message)
		return ANSWER_TOO_MANY_RECIPIENTS;
	return (struct span){ 0 };
}

static enum status add_recipients(struct delivery *delivery, const struct door_envelope *envelope)
{
	struct codec_list addresses = envelope->recipients, parameters = envelope->recipient_parameters;
	struct span address, parameter;
	recipients_begin_batch(&delivery->recipients);
	while (codec_list_next(&addresses, &address) && codec_list_next(&parameters, &parameter))
		TRY(recipients_add(&delivery->recipients, address, parameter,
				   check_recipient(delivery, address, parameter)));
	return STATUS_OK;
}

static bool wants_answers(const struct delivery *delivery)
{
	const struct recipients *recipients = &delivery->recipients;
	for (size_t i = recipients->reported; i < recipients->count; i++)
		if (span_is_empty(recipients->items[i].reply))
			return true;
	return false;
}

static void ask(struct delivery *delivery)
{
	struct attempt *attempt = delivery_attempt(delivery);
	const struct refusal trouble = { ANSWER_UPSTREAM_TRANSPORT, REFUSAL_OTHER, SPAN("no relay available") };
	if (attempt && attempt->upstream) {
		attempt_ask_more(attempt);
	} else if (!attempt_begin_next(delivery)) {
		refusal_note(delivery, &trouble);
		delivery_doom(delivery, trouble.reply);
	}
}

void delivery_ask(struct delivery *delivery)
{
	if (probing_admit(delivery))
		ask(delivery);
	probing_recount(delivery);
}

static enum status take(struct delivery *delivery, const struct door_envelope *envelope)
{
	struct refusal refusal;
	if (delivery->recipients.reported == delivery->recipients.count)
		delivery->asked_ms = loop_now_ms(delivery->all->services->loop);
	TRY(add_recipients(delivery, envelope));
	delivery_touch(delivery);
	if (wants_answers(delivery)) {
		if (refuse(delivery, &refusal)) {
			recipients_refuse_new(&delivery->recipients, refusal.reply);
			/* Once: a record names all recipients so far, and a client may name them one by one. */
			if (!delivery->refusal_recorded)
				refusal_note(delivery, &refusal);
		} else {
			delivery_ask(delivery);
		}
	}
	delivery_report(delivery);
	return STATUS_OK;
}

/* STATUS_INVALID: no gate that is sound sends such parameters. */
static enum status copy(struct delivery *delivery, const struct door_envelope *envelope)
{
	struct mail_parameters parameters;
	if (parameters_read_mail(envelope->mail_parameters, &parameters) != STATUS_OK)
		return STATUS_INVALID;
	delivery->eight_bit = parameters.eight_bit;
	delivery->smtputf8 = parameters.smtputf8;
	delivery->declared_size = envelope->size;
	TRY(arena_copy(&delivery->arena, parameters.ret, &delivery->ret));
	TRY(arena_copy(&delivery->arena, parameters.envid, &delivery->envid));
	TRY(arena_copy(&delivery->arena, envelope->mail_from, &delivery->mail_from));
	return arena_copy(&delivery->arena, span_slice(envelope->helo, 0, GATE_TEXT_MAXIMUM), &delivery->helo);
}

static void give_up(struct delivery *delivery, enum stats_refusal counter, struct span reply, struct span reason)
{
	const struct refusal refusal = { reply, counter, reason };
	refusal_end(delivery, &refusal);
}

/* NULL: there is none, and the gate has heard the transaction's end. */
static struct delivery *begin(struct deliveries *deliveries, struct delivery_gate *gate, struct grant *grant,
			      const struct door_envelope *envelope)
{
	struct door_message_reply none = { .transaction = envelope->transaction, .reply = ANSWER_TRANSACTION_OVER };
	struct delivery *delivery = NULL;
	if (envelope->transaction > grant->last_transaction) {
		if (grant->current)
			deliveries_end_session(grant);
		delivery = deliveries_open(deliveries, gate, grant, envelope->transaction);
		none.reply = ANSWER_NO_MEMORY;
	}
	if (delivery == NULL) {
		gate->send_message_reply(gate, &none);
		return NULL;
	}
	grant->last_transaction = envelope->transaction;
	return delivery;
}

/* What a frame adds, within bounds: one client's recipients must not cost its gate the door. */
static void extend(struct delivery *delivery, const struct door_envelope *envelope, bool is_new)
{
	size_t most = delivery->all->services->config->limits.recipients_per_message + RECIPIENTS_SURPLUS;
	size_t count = codec_list_count(envelope->recipients);
	enum status copied = is_new ? copy(delivery, envelope) : STATUS_OK;
	if (copied == STATUS_INVALID)
		give_up(delivery, REFUSAL_SYNTAX, ANSWER_BAD_PARAMETERS, SPAN("malformed parameters from a gate"));
	else if (copied != STATUS_OK)
		give_up(delivery, REFUSAL_OTHER, ANSWER_NO_MEMORY, SPAN("out of memory"));
	else if (count > most || delivery->recipients.count > most - count)
		give_up(delivery, REFUSAL_RECIPIENTS, ANSWER_TOO_MANY_RECIPIENTS, SPAN("far too many recipients"));
	else if (take(delivery, envelope) != STATUS_OK)
		give_up(delivery, REFUSAL_OTHER, ANSWER_NO_MEMORY, SPAN("out of memory"));
}

/* More recipients for a transaction that is under way: all else is as before. */
static bool continues(const struct delivery *delivery, const struct grant *grant, const struct door_envelope *envelope)
{
	return delivery->grant == grant &&
	       (delivery->state == DELIVERY_ENVELOPE || delivery->state == DELIVERY_DOOMED) &&
	       span_equal(delivery->mail_from, envelope->mail_from);
}

enum status deliveries_take_envelope(struct deliveries *deliveries, struct delivery_gate *gate, struct grant *grant,
				     const struct door_envelope *envelope)
{
	size_t count = codec_list_count(envelope->recipients);
	if (count == 0 || count != codec_list_count(envelope->recipient_parameters))
		return STATUS_INVALID;
	struct delivery *delivery = deliveries_find(deliveries, gate->instance, envelope->transaction);
	bool is_new = delivery == NULL;
	if (is_new)
		delivery = begin(deliveries, gate, grant, envelope);
	else if (!continues(delivery, grant, envelope))
		return STATUS_INVALID;
	if (delivery == NULL)
		return STATUS_OK;
	extend(delivery, envelope, is_new);
	delivery_free_if_over(delivery);
	return STATUS_OK;
}

/* How a recipient was answered, for the metric. */
static enum stats_result result_of(const struct recipient *recipient)
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
		stats_add(delivery->all->services->stats, COUNTER_RECIPIENTS, result_of(&recipients->items[i]), 1);
	if (delivery->gate) {
		struct door_envelope_reply reply = { delivery->transaction, span_of(delivery->id),
						     codec_list_of(&list) };
		delivery->gate->send_envelope_reply(delivery->gate, &reply);
	}
	return STATUS_OK;
}

void delivery_report(struct delivery *delivery)
{
	enum status status = STATUS_OK;
	while (status == STATUS_OK && !probing_holds_report(delivery))
		status = report_batch(delivery);
	probing_recount(delivery);
	if (status == STATUS_OK || status == STATUS_NOT_FOUND)
		return;
	log_error("message %s: replies to recipients lost: %s", delivery->id, status_text(status));
	delivery->is_lost = true;
	delivery_touch(delivery);
}
