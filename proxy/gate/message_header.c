/*
 * The judgement on a header. It is made in the gate, where hostile bytes are parsed; it is enforced here and recorded
 * by the relay.
 */
#include "gate/message_header.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "gate/senders.h"
#include "gate/transaction.h"
#include "smtp/address.h"
#include "smtp/header.h"
#include "smtp/received.h"

/* Fields named Received; a loop is assumed beyond them (RFC 5321, 6.3: at least 100). */
#define RECEIVED_MAXIMUM 100
#define RECORDED_FROM_MAXIMUM 4096U /* bytes of From: addresses kept for the audit */
#define RECORDED_ID_MAXIMUM 1000U   /* bytes of Message-ID kept for the audit: one line */

/* ---- From:, Sender: and Resent-From: */

/* Senders that are not the user's, or can't be read: a header may name thousands, and the log has one line for all. */
struct strangers {
	size_t count;
	char first[ADDRESS_MAXIMUM + 1]; /* the first one, cut */
	const char *field;               /* it names the first one, or can't be read; NULL: no strangers */
};

static void note_stranger(struct strangers *strangers, const char *field, struct span address)
{
	if (strangers->count++)
		return;
	strangers->field = field;
	snprintf(strangers->first, sizeof(strangers->first), "%.*s",
		 SPAN_ARGS(span_slice(address, 0, ADDRESS_MAXIMUM)));
}

/* For the record of the message: "From: <ceo@example.com> not owned by the user". */
static enum status note_strangers(struct session *s, const struct strangers *strangers, struct span *out_noted)
{
	char text[ADDRESS_MAXIMUM + 64];
	if (strangers->first[0] == '\0')
		snprintf(text, sizeof(text), "unreadable %s", strangers->field);
	else
		snprintf(text, sizeof(text), "%s <%s> not owned by the user", strangers->field, strangers->first);
	return arena_copy(&s->arena, span_of(text), out_noted);
}

static void log_strangers(const struct session *s, const struct strangers *strangers)
{
	char more[LOG_PACE_TEXT];
	if (!log_pace_take(&s->gate->lines.senders, loop_now_ms(s->gate->loop), more))
		return;
	if (strangers->first[0] == '\0')
		log_info(SESSION_NAME ": %s of a message of %s can't be read%s", SESSION_NAME_ARGS(s), strangers->field,
			 s->user, more);
	else
		log_info(SESSION_NAME ": %s %s is not an address of %s (and %zu more of this message)%s",
			 SESSION_NAME_ARGS(s), strangers->field, strangers->first, s->user, strangers->count - 1, more);
}

static enum config_sender_mode header_mode(const struct session *s)
{
	return senders_mode(s, s->gate->config->sender.header);
}

/* True when the field may name all of them; else the first that it may not goes to *out_foreign. */
static bool addresses_pass(const struct session *s, struct span addresses, const char *field,
			   struct strangers *strangers, struct span *out_foreign)
{
	struct span address;
	while (span_cut(&addresses, '\n', &address)) {
		if (!senders_pass(s, header_mode(s), address)) {
			*out_foreign = address;
			return false;
		}
		if (header_mode(s) == SENDER_AUDIT && !senders_allow(s, address))
			note_stranger(strangers, field, address);
	}
	return true;
}

/* The reply names the address where there is memory for it. */
static struct span refuse_address(struct session *s, struct span address, const char *field)
{
	struct buf text BUF_AUTO;
	struct span reply;
	buf_init(&text, ADDRESS_MAXIMUM + 128);
	if (buf_printf(&text, "550 5.7.1 The %s address <%.*s> is not one of yours", field,
		       SPAN_ARGS(span_slice(address, 0, ADDRESS_MAXIMUM))) == STATUS_OK &&
	    arena_copy(&s->arena, buf_span(&text), &reply) == STATUS_OK)
		return reply;
	return SPAN("550 5.7.1 The message's header names a sender that is not one of yours");
}

/* A sender that nobody can read safely is nobody. */
static bool unreadable_passes(const struct session *s, const char *field, struct strangers *strangers)
{
	note_stranger(strangers, field, (struct span){ 0 });
	return header_mode(s) != SENDER_ENFORCE;
}

static void judge_from(struct session *s, bool is_readable, struct span addresses, struct strangers *strangers,
		       struct header_verdict *verdict)
{
	struct span foreign;
	verdict->label = REFUSAL_SENDER;
	if (!is_readable && !unreadable_passes(s, "From:", strangers)) {
		verdict->refusal = SPAN("550 5.7.1 The From: header field can't be read");
		verdict->reason = SPAN("unreadable From:");
	} else if (is_readable && !addresses_pass(s, addresses, "From:", strangers, &foreign)) {
		verdict->refusal = refuse_address(s, foreign, "From:");
		verdict->reason = SPAN("sender in From:");
	}
}

static enum status judge_senders(struct session *s, struct span header, struct strangers *strangers,
				 struct header_verdict *verdict)
{
	struct buf addresses BUF_AUTO;
	struct span foreign;
	buf_init(&addresses, HEADER_MAXIMUM);
	enum status status = header_read_senders(header, &addresses);
	if (status != STATUS_OK && status != STATUS_INVALID)
		return status;
	if (status == STATUS_INVALID && !unreadable_passes(s, "Sender:", strangers)) {
		verdict->refusal = SPAN("550 5.7.1 The Sender: or Resent-From: header field can't be read");
		verdict->reason = SPAN("unreadable Sender:");
	} else if (!addresses_pass(s, buf_span(&addresses), "Sender:", strangers, &foreign)) {
		verdict->refusal = refuse_address(s, foreign, "Sender: or Resent-From:");
		verdict->reason = SPAN("sender in Sender:");
	}
	return STATUS_OK;
}

static enum status judge_authors(struct session *s, struct span header, bool is_readable, struct span addresses,
				 struct header_verdict *verdict)
{
	struct strangers strangers = { 0 };
	judge_from(s, is_readable, addresses, &strangers, verdict);
	if (span_is_empty(verdict->refusal))
		TRY(judge_senders(s, header, &strangers, verdict));
	/* Only with "audit": a refusal is logged and recorded as such. */
	if (strangers.field == NULL || header_mode(s) != SENDER_AUDIT)
		return STATUS_OK;
	log_strangers(s, &strangers);
	return note_strangers(s, &strangers, &verdict->noted);
}

/* ---- for the audit */

static enum status keep_addresses(struct session *s, struct span addresses, struct span *out_text)
{
	struct buf text BUF_AUTO;
	struct span address;
	buf_init(&text, RECORDED_FROM_MAXIMUM);
	while (span_cut(&addresses, '\n', &address)) {
		if (buf_room(&text) < address.size + 2)
			break;
		if (buf_size(&text) > 0)
			TRY(buf_append_text(&text, ", "));
		TRY(buf_append(&text, address));
	}
	return arena_copy(&s->arena, buf_span(&text), out_text);
}

static enum status keep_message_id(struct session *s, const struct header_facts *facts, struct span *out_id)
{
	struct buf text BUF_AUTO;
	struct span id = span_slice(facts->message_id, 0, RECORDED_ID_MAXIMUM);
	buf_init(&text, RECORDED_ID_MAXIMUM);
	if (!facts->has_message_id && s->gate->config->header.add_missing)
		TRY(buf_printf(&text, "<%.*s@%s>", SPAN_ARGS(s->transaction->id), s->gate->config->global.hostname));
	else
		TRY(buf_append(&text, id));
	return arena_copy(&s->arena, buf_span(&text), out_id);
}

/* ---- fields to add */

static enum status write_received(const struct session *s, uint64_t now, struct buf *added)
{
	struct received received = { .full = s->gate->config->header.received == RECEIVED_FULL,
				     .by = span_of(s->gate->config->global.hostname),
				     .id = s->transaction->id,
				     .utf8 = s->transaction->smtputf8,
				     .wall_us = now,
				     .helo = span_of(s->helo),
				     .client = span_of(s->address),
				     .tls_version = span_of(stream_tls_version(s->stream)),
				     .tls_cipher = span_of(stream_tls_cipher(s->stream)) };
	return received_write(added, &received);
}

/*
 * The author of a message without From: is the envelope's sender, or where that is empty the user, if their name is an
 * address. Empty: nobody could be named who would pass as From:.
 */
static struct span missing_author(const struct session *s)
{
	struct span author = s->transaction->mail_from;
	if (span_is_empty(author))
		author = span_of(s->user);
	if (!span_contains_byte(author, '@') || (!s->transaction->smtputf8 && !utf8_is_ascii(author)))
		return SPAN("");
	return senders_pass(s, header_mode(s), author) ? author : SPAN("");
}

static enum status write_author(struct session *s, struct buf *added, struct header_verdict *verdict)
{
	struct span author = missing_author(s);
	enum status status = received_write_from(added, author);
	if (status == STATUS_OK)
		status = arena_copy(&s->arena, author, &verdict->header_from);
	return status == STATUS_INVALID ? STATUS_OK : status;
}

/* RFC 6409, 8. */
static enum status write_missing(struct session *s, const struct header_facts *facts, uint64_t now, struct buf *added,
				 struct header_verdict *verdict)
{
	if (!facts->has_date)
		TRY(received_write_date(added, now));
	if (!facts->has_message_id)
		TRY(received_write_message_id(added, s->transaction->id, span_of(s->gate->config->global.hostname)));
	return facts->from_count == 0 ? write_author(s, added, verdict) : STATUS_OK;
}

static enum status write_fields(struct session *s, const struct header_facts *facts, struct buf *added,
				struct header_verdict *verdict)
{
	uint64_t now = clock_wall_us();
	TRY(write_received(s, now, added));
	return s->gate->config->header.add_missing ? write_missing(s, facts, now, added, verdict) : STATUS_OK;
}

/* ---- the verdict */

enum status message_header_judge(struct session *s, struct span header, struct buf *added,
				 struct header_verdict *out_verdict)
{
	/* An unreadable header is taken to have all fields: only Received is added. */
	struct header_facts facts = { .from_count = 1, .has_date = true, .has_message_id = true };
	struct header_verdict verdict = { 0 };
	struct buf addresses BUF_AUTO;
	buf_init(&addresses, HEADER_MAXIMUM);
	enum status status = header_read(header, &facts, &addresses);
	if (status != STATUS_OK && status != STATUS_INVALID)
		return status;
	TRY(judge_authors(s, header, status == STATUS_OK, buf_span(&addresses), &verdict));
	if (facts.received_count > RECEIVED_MAXIMUM) {
		verdict.refusal = SPAN("554 5.4.6 Too many Received header fields, this message is in a loop");
		verdict.reason = SPAN("loop");
		verdict.label = REFUSAL_HEADER;
	}
	TRY(keep_addresses(s, buf_span(&addresses), &verdict.header_from));
	TRY(keep_message_id(s, &facts, &verdict.message_id));
	TRY(write_fields(s, &facts, added, &verdict));
	*out_verdict = verdict;
	return STATUS_OK;
}
