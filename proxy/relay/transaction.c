/*
 * What a gate says of its transactions: envelopes, pieces of the message, aborts, and its own end. Each is noted in the
 * delivery, whose turn decides (delivery.c). A gate is not trusted here (promise 2): what it should have checked is
 * checked again, as it would end up in an upstream's dialog.
 */
#include "base/log.h"
#include "relay/delivery_private.h"
#include "relay/recipient_rules.h"
#include "smtp/address.h"
#include "smtp/parameters.h"

/* Recipients beyond those that a message may have, all refused: whoever names more has no list, or means harm. */
#define RECIPIENTS_SURPLUS 1000
/* Bytes of a gate's word about a message that records show; no gate of ours says more. */
#define HEADER_FROM_MAXIMUM 4096U
#define MESSAGE_ID_MAXIMUM 1000U
#define NOTED_MAXIMUM 400U

/* ---- the recipients of one ENVELOPE */

static bool are_rcpt_parameters(struct span text)
{
	struct rcpt_parameters parameters;
	return text.size <= PARAMETERS_RCPT_TEXT_MAXIMUM && span_is_printable(text) &&
	       parameters_read_rcpt(text, &parameters) == STATUS_OK;
}

/* Its refusal by a rule, in `reply`; empty where there is none. */
static struct span apply_rules(struct delivery *delivery, struct span address, char reply[RECIPIENT_RULE_TEXT_SIZE])
{
	struct services *services = delivery->all->services;
	switch (recipient_rules_check(services->config, delivery->grant, address, reply)) {
	case RECIPIENT_ALLOWED:
		return (struct span){ 0 };
	case RECIPIENT_NOTED:
		if (delivery->foreign_recipient == 0)
			delivery->foreign_recipient = delivery->recipients.count + 1;
		return (struct span){ 0 };
	case RECIPIENT_REFUSED:
	default:
		delivery->refused_recipient = true;
		stats_add(services->stats, COUNTER_REFUSED, REFUSAL_RULE, 1);
		return span_of(reply);
	}
}

/* Of the configuration, and of the user's quota section. */
static bool has_all_recipients(const struct delivery *delivery)
{
	uint64_t own = delivery->grant->limits.recipients_per_message;
	size_t count = delivery->recipients.count;
	return count >= delivery->all->services->config->limits.recipients_per_message || (own && count >= own);
}

static struct span check_recipient(struct delivery *delivery, struct span address, struct span parameters,
				   char reply[RECIPIENT_RULE_TEXT_SIZE])
{
	if (!span_is_empty(delivery->doom))
		return delivery->doom;
	if (!address_is_valid(address, delivery->smtputf8) || !are_rcpt_parameters(parameters))
		return ANSWER_BAD_RECIPIENT;
	if (has_all_recipients(delivery))
		return ANSWER_TOO_MANY_RECIPIENTS;
	return apply_rules(delivery, address, reply);
}

static enum status add_recipients(struct delivery *delivery, const struct door_envelope *envelope)
{
	struct codec_list addresses = envelope->recipients, parameters = envelope->recipient_parameters;
	struct span address, parameter;
	char reply[RECIPIENT_RULE_TEXT_SIZE];
	if (delivery->recipients.reported == delivery->recipients.count)
		delivery->asked_ms = loop_now_ms(delivery->all->services->loop);
	recipients_begin_batch(&delivery->recipients);
	while (codec_list_next(&addresses, &address) && codec_list_next(&parameters, &parameter))
		TRY(recipients_add(&delivery->recipients, address, parameter,
				   check_recipient(delivery, address, parameter, reply)));
	delivery->has_new_recipients = true;
	return STATUS_OK;
}

/* ---- the envelope */

/* STATUS_INVALID: no sound gate sends such parameters. */
static enum status copy_envelope(struct delivery *delivery, const struct door_envelope *envelope)
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

static void refuse_transaction(struct delivery *delivery, enum stats_refusal counter, struct span reply,
			       struct span reason)
{
	const struct refusal refusal = { reply, counter, reason };
	delivery_refuse(delivery, &refusal);
}

/* What a frame adds, within bounds: one client's recipients must not cost its gate the door. */
static void extend_transaction(struct delivery *delivery, const struct door_envelope *envelope, bool is_new)
{
	size_t most = delivery->all->services->config->limits.recipients_per_message + RECIPIENTS_SURPLUS;
	size_t count = codec_list_count(envelope->recipients);
	enum status copied = is_new ? copy_envelope(delivery, envelope) : STATUS_OK;
	if (copied == STATUS_INVALID)
		refuse_transaction(delivery, REFUSAL_SYNTAX, ANSWER_BAD_PARAMETERS,
				   SPAN("malformed parameters from a gate"));
	else if (copied != STATUS_OK)
		refuse_transaction(delivery, REFUSAL_OTHER, ANSWER_NO_MEMORY, SPAN("out of memory"));
	else if (count > most || delivery->recipients.count > most - count)
		refuse_transaction(delivery, REFUSAL_RECIPIENTS, ANSWER_TOO_MANY_RECIPIENTS,
				   SPAN("far too many recipients"));
	else if (add_recipients(delivery, envelope) != STATUS_OK)
		refuse_transaction(delivery, REFUSAL_OTHER, ANSWER_NO_MEMORY, SPAN("out of memory"));
	delivery_touch(delivery);
	delivery_wake_with_news(delivery);
}

/* NULL: there is none, and the gate has heard the transaction's end. */
static struct delivery *begin_transaction(struct deliveries *deliveries, struct delivery_gate *gate,
					  struct grant *grant, const struct door_envelope *envelope)
{
	struct door_message_reply none = { .transaction = envelope->transaction, .reply = ANSWER_TRANSACTION_OVER };
	struct delivery *delivery = NULL;
	if (envelope->transaction > grant->last_transaction) {
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

/* More recipients for a transaction that is under way: all else is as before. */
static bool continues_transaction(const struct delivery *delivery, const struct grant *grant,
				  const struct door_envelope *envelope)
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
		delivery = begin_transaction(deliveries, gate, grant, envelope);
	else if (delivery_is_refused(delivery))
		return STATUS_OK; /* its end answers this, too */
	else if (!continues_transaction(delivery, grant, envelope))
		return STATUS_INVALID;
	if (delivery)
		extend_transaction(delivery, envelope, is_new);
	return STATUS_OK;
}

/* ---- the message */

static struct refusal explain_spool(enum status status)
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

/* Into the spool, checked as if the gate were taken over. */
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
	*out_refusal = explain_spool(status);
	return true;
}

/* A message for nobody goes nowhere; what the relay refused was said to the client already. */
static bool refuse_end(struct delivery *delivery, const struct door_message_data *data, struct refusal *out_refusal)
{
	if (body_check_finish(&delivery->check) != STATUS_OK) {
		*out_refusal = (struct refusal){ ANSWER_BAD_DATA, REFUSAL_SYNTAX, SPAN("malformed data from a gate") };
		return true;
	}
	struct span header_from = span_slice(data->header_from, 0, HEADER_FROM_MAXIMUM);
	struct span message_id = span_slice(data->message_id, 0, MESSAGE_ID_MAXIMUM);
	struct span noted = span_slice(data->noted, 0, NOTED_MAXIMUM);
	if (arena_copy(&delivery->arena, header_from, &delivery->header_from) != STATUS_OK ||
	    arena_copy(&delivery->arena, noted, &delivery->header_noted) != STATUS_OK ||
	    arena_copy(&delivery->arena, message_id, &delivery->message_id) != STATUS_OK) {
		*out_refusal = (struct refusal){ ANSWER_NO_MEMORY, REFUSAL_OTHER, SPAN("out of memory") };
		return true;
	}
	*out_refusal = (struct refusal){ ANSWER_NO_RECIPIENTS, REFUSAL_OTHER, SPAN("no recipient was accepted") };
	return recipients_accepted(&delivery->recipients) == 0;
}

static void take_piece(struct delivery *delivery, const struct door_message_data *data)
{
	struct refusal refusal;
	if (delivery->state == DELIVERY_ENVELOPE)
		delivery_set_state(delivery, DELIVERY_DATA);
	if (refuse_bytes(delivery, data->bytes, &refusal) || (data->complete && refuse_end(delivery, data, &refusal))) {
		delivery_refuse(delivery, &refusal);
	} else if (data->complete) {
		delivery->complete_ms = loop_now_ms(delivery->all->services->loop);
		delivery_set_state(delivery, DELIVERY_COMPLETE);
		delivery_wake(delivery);
	} else {
		delivery_touch(delivery);
	}
}

static enum status take_data(struct delivery *delivery, const struct door_message_data *data)
{
	switch (delivery->state) {
	case DELIVERY_ENVELOPE:
		if (delivery->recipients.reported < delivery->recipients.count) {
			log_error("message %s: gate %u did not wait for the replies to its recipients", delivery->id,
				  delivery->gate_instance);
			return STATUS_INVALID;
		}
		take_piece(delivery, data);
		return STATUS_OK;
	case DELIVERY_DATA:
		take_piece(delivery, data);
		return STATUS_OK;
	case DELIVERY_DOOMED:
		delivery->is_told_doom = true;
		delivery_wake(delivery);
		return STATUS_OK;
	case DELIVERY_COMPLETE:
	case DELIVERY_HANDOVER:
	case DELIVERY_RELEASED:
	case DELIVERY_DONE:
	default:
		log_error("message %s: gate %u sent more after its end", delivery->id, delivery->gate_instance);
		return STATUS_INVALID;
	}
}

enum status deliveries_take_data(struct deliveries *deliveries, const struct delivery_gate *gate,
				 const struct door_message_data *data)
{
	struct delivery *delivery = deliveries_find(deliveries, gate->instance, data->transaction);
	/* The rest of a message that was refused meanwhile is still on its way. */
	if (delivery == NULL || (delivery_is_refused(delivery) && delivery_is_sessions(delivery)))
		return STATUS_OK;
	return take_data(delivery, data);
}

/* ---- the end of a transaction, a session, or the gate, before the message was complete */

static void leave_transaction(struct delivery *delivery)
{
	delivery->is_left = true;
	if (delivery->grant->current == delivery)
		delivery->grant->current = NULL;
	delivery_wake(delivery);
}

/* A gate's word may be as long as a frame; what goes into a record is no longer than ours. */
static struct span cut_text(struct span text)
{
	return span_slice(text, 0, GATE_TEXT_MAXIMUM);
}

void deliveries_abort(struct deliveries *deliveries, const struct delivery_gate *gate, struct grant *grant,
		      const struct door_transaction_aborted *message)
{
	struct delivery *delivery = deliveries_find(deliveries, gate->instance, message->transaction);
	char session[sizeof(grant->name)];
	grant_name_session(gate->instance, message->session, session);
	if (delivery == NULL || delivery->grant != grant || !delivery_is_sessions(delivery)) {
		if (delivery == NULL && !span_is_empty(message->reply) &&
		    (grant == NULL || refusal_has_ration(deliveries->services, grant, 0)))
			records_gate_refused(deliveries->services->audit, session, grant, message->mail_from,
					     message->reply, message->reason);
		return;
	}
	if (!span_is_empty(message->reply)) {
		const struct refusal refusal = { cut_text(message->reply), REFUSAL_OTHER, cut_text(message->reason) };
		(void)refusal_record(delivery, &refusal);
	}
	leave_transaction(delivery);
}

void deliveries_end_session(struct grant *grant)
{
	if (grant->current)
		leave_transaction(grant->current);
}

void deliveries_rechecked(struct grant *grant)
{
	if (grant->current)
		delivery_wake_with_news(grant->current);
}

void deliveries_gate_closed(struct deliveries *deliveries, const struct delivery_gate *gate)
{
	for (struct delivery *delivery = deliveries->oldest; delivery; delivery = delivery->newer) {
		if (delivery->gate != gate)
			continue;
		delivery->gate = NULL;
		if (delivery_is_sessions(delivery))
			leave_transaction(delivery);
	}
}
