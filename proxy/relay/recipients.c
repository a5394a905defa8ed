/* The recipients' book. Owns its arrays; out of memory it refuses the recipient and stays as it was. */
#include "relay/recipients.h"

#include <assert.h>
#include <stdlib.h>

#include "relay/answers.h"

void recipients_init(struct recipients *recipients, struct arena *arena)
{
	*recipients = (struct recipients){ .arena = arena };
}

void recipients_free(struct recipients *recipients)
{
	free(recipients->items);
	free(recipients->asked);
	*recipients = (struct recipients){ .arena = recipients->arena };
}

void recipients_begin_batch(struct recipients *recipients)
{
	recipients->batches++;
}

static enum status make_room(struct recipients *recipients)
{
	if (recipients->count < recipients->capacity)
		return STATUS_OK;
	size_t capacity = recipients->capacity ? recipients->capacity * 2 : 4;
	size_t *asked = reallocarray(recipients->asked, capacity, sizeof(*asked));
	if (asked == NULL)
		return STATUS_NO_MEMORY;
	recipients->asked = asked;
	struct recipient *items = reallocarray(recipients->items, capacity, sizeof(*items));
	if (items == NULL)
		return STATUS_NO_MEMORY;
	recipients->items = items;
	recipients->capacity = capacity;
	return STATUS_OK;
}

enum status recipients_add(struct recipients *recipients, struct span address, struct span parameters,
			   struct span refusal)
{
	struct recipient recipient = { .batch = recipients->batches };
	TRY(make_room(recipients));
	TRY(arena_copy(recipients->arena, address, &recipient.address));
	TRY(arena_copy(recipients->arena, parameters, &recipient.parameters));
	TRY(arena_copy(recipients->arena, refusal, &recipient.reply));
	recipients->items[recipients->count++] = recipient;
	return STATUS_OK;
}

void recipients_refuse_rest(struct recipients *recipients, struct span reply)
{
	for (size_t i = recipients->reported; i < recipients->count; i++) {
		struct recipient *recipient = &recipients->items[i];
		if (span_is_empty(recipient->reply) || recipient->accepted) {
			recipient->reply = reply;
			recipient->accepted = false;
		}
	}
	recipients->asked_count = recipients->answered = 0;
}

void recipients_begin_attempt(struct recipients *recipients)
{
	for (size_t i = 0; i < recipients->answered; i++) {
		struct recipient *recipient = &recipients->items[recipients->asked[i]];
		if (recipient->reported || recipient->hidden)
			continue;
		recipient->reply = (struct span){ 0 };
		recipient->accepted = recipient->refused = false;
	}
	recipients->asked_count = recipients->answered = 0;
	recipients->promise_broken = false;
	for (size_t i = 0; i < recipients->released; i++)
		if (recipients->items[i].accepted || span_is_empty(recipients->items[i].reply))
			recipients->asked[recipients->asked_count++] = i;
}

/* The first that may be neither answered nor asked for. */
static size_t find_new(const struct recipients *recipients)
{
	size_t asked = recipients->asked_count;
	return asked ? recipients->asked[asked - 1] + 1 : recipients->reported;
}

void recipients_refuse_new(struct recipients *recipients, struct span reply)
{
	for (size_t i = find_new(recipients); i < recipients->count; i++)
		if (span_is_empty(recipients->items[i].reply))
			recipients->items[i].reply = reply;
}

size_t recipients_unasked(const struct recipients *recipients)
{
	size_t count = 0;
	for (size_t i = find_new(recipients); i < recipients->count; i++)
		count += span_is_empty(recipients->items[i].reply);
	return count;
}

void recipients_release(struct recipients *recipients, size_t more)
{
	size_t i = find_new(recipients);
	for (; i < recipients->count; i++) {
		bool is_new = span_is_empty(recipients->items[i].reply);
		if (is_new && more == 0)
			break;
		more -= is_new;
	}
	if (i > recipients->released)
		recipients->released = i;
}

size_t recipients_in_flight(const struct recipients *recipients)
{
	size_t count = recipients->asked_count - recipients->answered;
	for (size_t i = recipients->reported; i < recipients->count; i++) {
		const struct recipient *recipient = &recipients->items[i];
		count += recipient->refused && !recipient->accepted && !recipient->counted;
	}
	return count;
}

size_t recipients_ask_new(struct recipients *recipients)
{
	size_t from = recipients->asked_count;
	for (size_t i = find_new(recipients); i < recipients->released; i++)
		if (span_is_empty(recipients->items[i].reply))
			recipients->asked[recipients->asked_count++] = i;
	return from;
}

/* 5xx, and 4xx of class x.1 (RFC 3463, 3.2), which some say for an address that they don't know. */
static bool tells_of_address(struct span text)
{
	struct reply reply;
	if (reply_read(text, &reply) != STATUS_OK)
		return false;
	return reply.code >= 500 || (reply.code >= 400 && span_starts_with(reply.enhanced, SPAN("4.1.")));
}

enum status recipients_take_reply(struct recipients *recipients, struct span reply)
{
	if (recipients->answered == recipients->asked_count)
		return STATUS_INVALID;
	struct span text = answers_pass(span_slice(reply, 0, RECIPIENT_REPLY_MAXIMUM));
	struct span copy;
	TRY(arena_copy(recipients->arena, text, &copy));
	struct recipient *recipient = &recipients->items[recipients->asked[recipients->answered++]];
	bool accepted = answers_is_accepted(copy);
	if (recipient->reported && !accepted)
		recipients->promise_broken = true;
	recipient->accepted = accepted || recipient->reported;
	recipient->reply = copy;
	recipient->refused = tells_of_address(copy);
	return STATUS_OK;
}

bool recipients_are_settled(const struct recipients *recipients)
{
	return recipients->answered == recipients->asked_count && !recipients->promise_broken;
}

size_t recipients_accepted(const struct recipients *recipients)
{
	size_t accepted = 0;
	for (size_t i = 0; i < recipients->count; i++)
		accepted += recipients->items[i].accepted;
	return accepted;
}

bool recipients_are_promised(const struct recipients *recipients)
{
	for (size_t i = 0; i < recipients->reported; i++)
		if (recipients->items[i].accepted)
			return true;
	return false;
}

/* One past the last of the batch that is to be reported next. */
static size_t find_batch_end(const struct recipients *recipients)
{
	size_t end = recipients->reported;
	while (end < recipients->count && recipients->items[end].batch == recipients->items[recipients->reported].batch)
		end++;
	return end;
}

/* Where the next batch ends, if all of it is answered; else where it begins. */
static size_t find_answered_end(const struct recipients *recipients)
{
	size_t end = find_batch_end(recipients);
	for (size_t i = recipients->reported; i < end; i++)
		if (span_is_empty(recipients->items[i].reply))
			return recipients->reported;
	return end;
}

size_t recipients_begin_count(struct recipients *recipients, bool batch_may_be_unfinished)
{
	size_t end = batch_may_be_unfinished ? recipients->count : find_answered_end(recipients), count = 0;
	for (size_t i = recipients->reported; i < end; i++) {
		struct recipient *recipient = &recipients->items[i];
		recipient->counting = recipient->refused && !recipient->accepted && !recipient->counted;
		count += recipient->counting;
	}
	return count;
}

size_t recipients_end_count(struct recipients *recipients, size_t counted, struct span reply)
{
	size_t hidden = 0;
	for (size_t i = recipients->reported; i < recipients->count; i++) {
		struct recipient *recipient = &recipients->items[i];
		if (!recipient->counting)
			continue;
		recipient->counting = false;
		/* If an attempt began meanwhile, and it is not counted, the next upstream has the word. */
		recipient->counted = counted > 0 || !span_is_empty(recipient->reply);
		if (counted) {
			counted--;
		} else if (recipient->counted) {
			recipient->reply = reply;
			recipient->hidden = true;
			hidden++;
		}
	}
	return hidden;
}

enum status recipients_report(struct recipients *recipients, struct buf *out_list)
{
	size_t end = find_answered_end(recipients);
	if (end == recipients->reported)
		return STATUS_NOT_FOUND;
	for (size_t i = recipients->reported; i < end; i++)
		TRY(codec_list_add(out_list, recipients->items[i].reply));
	for (size_t i = recipients->reported; i < end; i++)
		recipients->items[i].reported = true;
	recipients->reported = end;
	return STATUS_OK;
}
