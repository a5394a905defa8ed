/*
 * The envelope on its way. The relay learns of a transaction with its first batch and forgets it with the reply to its
 * message or with an abort; answers that come later find no number here.
 */
#include "gate/transaction.h"

#include "door/messages.h"
#include "gate/deadline.h"
#include "gate/session_talk.h"
#include "smtp/reply.h"

/* Bytes of addresses: two such lists fit into a frame; 1,000 of the longest take 324 KiB. */
#define BATCH_MAXIMUM (512U << 10)
/* Bytes that one recipient adds to either list: an ORCPT is the longest. */
#define RECIPIENT_MAXIMUM 1024
#define LOST SPAN("451 4.3.0 The delivery service was interrupted, please try again")

static enum status write_parameters(struct arena *arena, const struct mail_parameters *from, struct span *out_text)
{
	struct buf text BUF_AUTO;
	buf_init(&text, PARAMETERS_MAIL_TEXT_MAXIMUM);
	TRY(parameters_write_mail(&text, from));
	return arena_copy(arena, buf_span(&text), out_text);
}

static enum status make_transaction(struct session *s, struct span mail_from, const struct mail_parameters *parameters,
				    struct transaction **out_transaction)
{
	struct transaction *t = arena_alloc(&s->arena, sizeof(*t));
	if (t == NULL)
		return STATUS_NO_MEMORY;
	TRY(arena_copy(&s->arena, mail_from, &t->mail_from));
	TRY(write_parameters(&s->arena, parameters, &t->parameters));
	t->number = ++s->gate->last_transaction;
	t->size = parameters->has_size ? parameters->size : 0;
	t->smtputf8 = parameters->smtputf8;
	buf_init(&t->recipients, BATCH_MAXIMUM);
	buf_init(&t->rcpt_parameters, BATCH_MAXIMUM);
	*out_transaction = t;
	return STATUS_OK;
}

enum status transaction_begin(struct session *s, struct span mail_from, const struct mail_parameters *parameters)
{
	enum status status = make_transaction(s, mail_from, parameters, &s->transaction);
	if (status != STATUS_OK)
		arena_reset(&s->arena);
	return status;
}

/* ---- batches */

static bool is_full(const struct buf *list)
{
	return buf_room(list) < RECIPIENT_MAXIMUM;
}

enum status transaction_add_recipient(struct session *s, struct span address, const struct rcpt_parameters *parameters)
{
	struct transaction *t = s->transaction;
	struct buf text BUF_AUTO;
	buf_init(&text, PARAMETERS_RCPT_TEXT_MAXIMUM);
	TRY(parameters_write_rcpt(&text, parameters));
	if (is_full(&t->recipients) || is_full(&t->rcpt_parameters))
		transaction_send_batch(s);
	TRY(replies_push_waiting(&s->replies));
	TRY(codec_list_add(&t->recipients, address));
	TRY(codec_list_add(&t->rcpt_parameters, buf_span(&text)));
	t->batch++;
	return STATUS_OK;
}

size_t transaction_recipient_count(const struct session *s)
{
	return s->transaction->accepted + s->replies.waiting;
}

static enum status send_envelope(struct session *s)
{
	struct transaction *t = s->transaction;
	struct door_envelope message = { .session = s->number,
					 .transaction = t->number,
					 .mail_from = t->mail_from,
					 .mail_parameters = t->parameters,
					 .size = t->size,
					 .recipients = codec_list_of(&t->recipients),
					 .recipient_parameters = codec_list_of(&t->rcpt_parameters),
					 .helo = span_of(s->helo) };
	return relay_door_envelope(&s->gate->relay, &message);
}

static void fill_replies(struct session *s, struct span text)
{
	if (replies_fill_all(&s->replies, text) != STATUS_OK)
		session_drop(s, "replies not read");
}

void transaction_send_batch(struct session *s)
{
	struct transaction *t = s->transaction;
	if (t == NULL || t->batch == 0)
		return;
	enum status status = send_envelope(s);
	t->batch = 0;
	buf_clear(&t->recipients);
	buf_clear(&t->rcpt_parameters);
	if (status != STATUS_OK) {
		fill_replies(s, LOST);
		return;
	}
	if (!t->known)
		registry_add(s->gate->transactions, &t->registration, t->number, s);
	t->known = true;
	deadline_touch(s);
}

/* ---- answers */

/* One recipient's reply. Anything that is no reply counts as a temporary refusal. */
static enum status take_reply(struct session *s, struct span text)
{
	struct reply reply;
	if (reply_read(text, &reply) != STATUS_OK)
		return replies_fill(&s->replies, LOST);
	if (reply.code / 100 == 2)
		s->transaction->accepted++;
	return replies_fill(&s->replies, text);
}

enum status transaction_take_replies(struct session *s, const struct door_envelope_reply *message)
{
	struct codec_list rest = message->replies;
	struct span text;
	/* The recipients still gathered have their slots after those that the relay was asked about. */
	if (codec_list_count(rest) > s->replies.waiting - s->transaction->batch)
		return STATUS_INVALID;
	bool is_named_now = span_is_empty(s->transaction->id) && !span_is_empty(message->message);
	if (is_named_now && arena_copy(&s->arena, message->message, &s->transaction->id) != STATUS_OK)
		session_drop(s, "out of memory");
	while (codec_list_next(&rest, &text)) {
		if (take_reply(s, text) != STATUS_OK) {
			session_drop(s, "replies not read");
			break;
		}
	}
	deadline_touch(s);
	return STATUS_OK;
}

/* The relay has forgotten the transaction, so it is not told of its end. */
static enum status take_refusal(struct session *s, struct span reply)
{
	struct transaction *t = s->transaction;
	registry_remove(s->gate->transactions, &t->registration);
	t->known = false;
	t->batch = 0;
	buf_clear(&t->recipients);
	buf_clear(&t->rcpt_parameters);
	TRY(arena_copy(&s->arena, reply, &t->refusal));
	return replies_fill_all(&s->replies, t->refusal);
}

void transaction_take_refusal(struct session *s, struct span reply)
{
	if (take_refusal(s, reply) != STATUS_OK)
		session_drop(s, "out of memory");
}

/* ---- a message for nobody */

const char *transaction_refuse_message(const struct session *s)
{
	const struct transaction *t = s->transaction;
	if (t->asked + t->malformed == 0)
		return "503 5.5.1 Send RCPT first";
	return t->accepted ? NULL : "554 5.5.1 No valid recipients";
}

void transaction_count_refused_message(struct session *s)
{
	struct transaction *t = s->transaction;
	if (t->data_refused || t->asked + t->malformed == 0)
		session_count_error(s);
	t->data_refused = true;
}

/* ---- the end */

void transaction_end(struct session *s)
{
	struct transaction *t = s->transaction;
	if (t == NULL)
		return;
	registry_remove(s->gate->transactions, &t->registration);
	buf_free(&t->bytes);
	buf_free(&t->recipients);
	buf_free(&t->rcpt_parameters);
	s->transaction = NULL;
	s->idle_since_ms = loop_now_ms(s->gate->loop);
	arena_reset(&s->arena);
}

void transaction_disown(struct session *s, struct span reply, struct span reason)
{
	struct transaction *t = s->transaction;
	struct door_transaction_aborted message = { .session = s->number,
						    .transaction = t->number,
						    .mail_from = t->mail_from,
						    .reply = reply,
						    .reason = reason };
	if (t->known || !span_is_empty(reply))
		relay_door_aborted(&s->gate->relay, &message);
	registry_remove(s->gate->transactions, &t->registration);
	t->known = false;
}

void transaction_abort(struct session *s, struct span reply, struct span reason)
{
	if (s->transaction == NULL)
		return;
	transaction_disown(s, reply, reason);
	transaction_end(s);
}

void transaction_lost(struct session *s)
{
	fill_replies(s, LOST);
	transaction_end(s);
}
