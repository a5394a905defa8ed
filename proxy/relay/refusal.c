/* Refusals of ours: how they are recorded and counted, and the end they make. Owns nothing. */
#include "base/log.h"
#include "relay/delivery_private.h"

#define RECORD_SIZE 512           /* bytes of a record without recipients, about */
#define RECORD_RECIPIENT_SIZE 128 /* bytes of one recipient in it, about */

struct record_message refusal_describe(const struct delivery *delivery)
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

bool refusal_has_ration(struct services *services, struct grant *grant, size_t size)
{
	struct user *user = users_enter(services->users, grant->user, &grant->limits);
	return user == NULL || rations_take(&services->rations, &user->ration, AUDIT_MESSAGE_REFUSED, size, 1);
}

/* Bytes of its record, about. */
static size_t size_of(const struct delivery *delivery, const struct refusal *refusal)
{
	return RECORD_SIZE + delivery->recipients.count * RECORD_RECIPIENT_SIZE + delivery->header_from.size +
	       refusal->reply.size;
}

bool refusal_record(struct delivery *delivery, const struct refusal *refusal)
{
	struct record_message record = refusal_describe(delivery);
	record.response = refusal->reply;
	record.reason = refusal->reason;
	delivery->refusal_recorded = true;
	if (!refusal_has_ration(delivery->all->services, delivery->grant, size_of(delivery, refusal)))
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

void refusal_end(struct delivery *delivery, const struct refusal *refusal)
{
	refusal_note(delivery, refusal);
	delivery_refund(delivery);
	delivery_end(delivery, refusal->reply);
}
