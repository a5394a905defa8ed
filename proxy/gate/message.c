/*
 * The data phase. A refusal
 * found on the way is kept, told to the relay at once, and to the client at
 * the end of the data.
 */
#include "gate/message.h"

#include <inttypes.h>

#include "base/log.h"
#include "door/messages.h"
#include "gate/count.h"
#include "gate/deadline.h"
#include "gate/message_header.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"
#include "smtp/body.h"
#include "smtp/chunk.h"
#include "smtp/header.h"
#include "smtp/reply.h"

#define PIECE_MAXIMUM (128U << 10) /* bytes one piece of input may become: each bare LF turns into CRLF */
#define LOST SPAN("451 4.3.0 The delivery service was interrupted, the message was not sent, please try again")
#define UNKNOWN SPAN("451 4.3.0 The delivery service was interrupted, it is not known whether the message was sent")
#define NO_MEMORY SPAN("451 4.3.0 Out of memory, please try again")

struct message {
	struct body_scanner scanner; /* of DATA */
	struct chunk_scanner chunks; /* of BDAT; the other one stays zero */
	size_t looked_at;            /* bytes when the header's end was looked for last */
	bool has_start;              /* mbox lines before the header were taken off */
	bool has_header;             /* the header was judged, and what is in `bytes` may go */
	bool is_refused;
	struct span refusal;     /* the reply at the end of the data */
	struct span header_from; /* for the last frame */
	struct span message_id;
};

enum status message_begin(struct session *s)
{
	struct message *m = arena_alloc(&s->arena, sizeof(*m));
	if (m == NULL)
		return STATUS_NO_MEMORY;
	buf_init(&s->transaction->bytes, HEADER_MAXIMUM + PIECE_MAXIMUM);
	m->refusal = s->transaction->refusal;
	m->is_refused = !span_is_empty(m->refusal);
	s->transaction->message = m;
	return STATUS_OK;
}

/* ---- refusing */

/* From here on the data is only read to its end. */
static void discard(struct session *s, struct span refusal)
{
	struct message *m = s->transaction->message;
	m->is_refused = true;
	m->refusal = refusal;
	buf_clear(&s->transaction->bytes);
}

static void refuse(struct session *s, struct span refusal, struct span reason, enum stats_refusal label)
{
	log_info(SESSION_NAME ": message of %s refused, %.*s: %.*s", SESSION_NAME_ARGS(s), s->user, SPAN_ARGS(reason),
		 SPAN_ARGS(refusal));
	count_refused(s->gate, label);
	transaction_disown(s, refusal, reason);
	discard(s, refusal);
}

/* ---- sending on */

static enum status send_bytes(struct session *s, struct span bytes, bool complete)
{
	struct message *m = s->transaction->message;
	struct door_message_data data = { .transaction = s->transaction->number, .complete = complete, .bytes = bytes };
	if (complete) {
		data.header_from = m->header_from;
		data.message_id = m->message_id;
	}
	return relay_door_data(&s->gate->relay, &data);
}

static void send_gathered(struct session *s)
{
	struct buf *bytes = &s->transaction->bytes;
	if (buf_size(bytes) == 0)
		return;
	if (send_bytes(s, buf_span(bytes), false) != STATUS_OK)
		discard(s, LOST);
	buf_clear(bytes);
}

/*
 * Sends our fields and the header, with an empty line behind them where the
 * client left it out: else a reader that skips lines that are no fields would find a second From: in the body.
 */
static enum status send_head(struct session *s, struct span added, size_t size)
{
	struct buf *bytes = &s->transaction->bytes;
	struct span rest = span_slice(buf_span(bytes), size, buf_size(bytes));
	TRY(send_bytes(s, added, false));
	TRY(send_bytes(s, span_slice(buf_span(bytes), 0, size), false));
	if (!span_is_empty(rest) && !span_starts_with(rest, SPAN("\r\n")))
		TRY(send_bytes(s, SPAN("\r\n"), false));
	buf_consume(bytes, size);
	return STATUS_OK;
}

static void judge_header(struct session *s, size_t size)
{
	struct message *m = s->transaction->message;
	struct span header = span_slice(buf_span(&s->transaction->bytes), 0, size);
	struct header_verdict verdict;
	struct buf added BUF_AUTO;
	buf_init(&added, ADDED_FIELDS_MAXIMUM);
	if (message_judge_header(s, header, &added, &verdict) != STATUS_OK) {
		refuse(s, NO_MEMORY, SPAN("memory"), REFUSAL_OTHER);
		return;
	}
	if (!span_is_empty(verdict.refusal)) {
		refuse(s, verdict.refusal, verdict.reason, verdict.label);
		return;
	}
	m->has_header = true;
	m->header_from = verdict.header_from;
	m->message_id = verdict.message_id;
	if (send_head(s, buf_span(&added), size) != STATUS_OK)
		discard(s, LOST);
}

/* Takes off the lines that a mailbox file has before the header. */
static enum status find_start(struct session *s, bool complete)
{
	struct message *m = s->transaction->message;
	struct buf *bytes = &s->transaction->bytes;
	size_t size;
	if (m->has_start)
		return STATUS_OK;
	TRY(header_measure_mbox(buf_span(bytes), complete, &size));
	buf_consume(bytes, size);
	m->has_start = true;
	return STATUS_OK;
}

/*
 * Looks for the header's end only when what is gathered has doubled since the
 * last look, so that a header that trickles in costs no more than one that does not.
 */
static void gather_header(struct session *s, bool complete)
{
	struct message *m = s->transaction->message;
	const struct buf *bytes = &s->transaction->bytes;
	size_t gathered = buf_size(bytes);
	size_t size = 0;
	if (!complete && gathered <= HEADER_MAXIMUM && gathered < 2 * m->looked_at)
		return;
	m->looked_at = gathered;
	enum status status = find_start(s, complete);
	if (status == STATUS_OK)
		status = header_find_end(buf_span(bytes), complete, &size);
	if (status == STATUS_OK && size <= HEADER_MAXIMUM)
		judge_header(s, size);
	else if (status == STATUS_OK || gathered > HEADER_MAXIMUM)
		refuse(s, SPAN("552 5.3.4 The message's header is too large"), SPAN("header too large"),
		       REFUSAL_HEADER);
}

static void refuse_size(struct session *s)
{
	refuse(s, SPAN("552 5.3.4 Message too large"), SPAN("message too large"), REFUSAL_SIZE);
}

/* What the scanner has seen may already decide. */
static void judge_data(struct session *s)
{
	const struct message *m = s->transaction->message;
	if (m->scanner.size + m->chunks.size > s->gate->config->limits.message_size)
		refuse_size(s);
	else if (m->scanner.has_cr_or_nul || m->chunks.has_cr_or_nul)
		refuse(s, SPAN("554 5.6.0 The message has a carriage return without a line feed, or a NUL byte"),
		       SPAN("stray CR or NUL"), REFUSAL_SYNTAX);
}

static void pass_on(struct session *s, bool complete)
{
	struct message *m = s->transaction->message;
	if (!m->is_refused)
		judge_data(s);
	if (!m->is_refused && !m->has_header)
		gather_header(s, complete);
	if (m->is_refused)
		buf_clear(&s->transaction->bytes);
	else if (m->has_header && !complete)
		send_gathered(s);
}

/* ---- the end of the data */

static void conclude(struct session *s, struct span reply)
{
	session_set_state(s, SESSION_COMMAND);
	s->idle = 0;
	session_reply(s, reply); /* may lie in the arena */
	transaction_end(s);
}

static void finish(struct session *s)
{
	struct message *m = s->transaction->message;
	if (m->is_refused) {
		conclude(s, m->refusal);
		return;
	}
	if (send_bytes(s, buf_span(&s->transaction->bytes), true) != STATUS_OK) {
		conclude(s, UNKNOWN);
		return;
	}
	buf_clear(&s->transaction->bytes);
	session_set_state(s, SESSION_OUTCOME);
}

/* ---- DATA */

static void give_up(struct session *s)
{
	session_farewell(s, SPAN("421 4.3.0 Out of memory, please try again"), "out of memory");
}

static enum step wait_for_input(struct session *s)
{
	if (s->peer_ended)
		session_drop(s, "client closed within a message");
	return STEP_WAIT;
}

enum step message_step(struct session *s)
{
	struct message *m = s->transaction->message;
	struct buf *input = stream_input(s->stream);
	size_t used = 0;
	if (buf_size(input) == 0)
		return wait_for_input(s);
	if (!m->is_refused && relay_door_is_full(&s->gate->relay))
		return session_wait_for_room(s);
	enum status status = body_scan(&m->scanner, buf_span(input), &s->transaction->bytes, &used);
	buf_consume(input, used);
	deadline_take_data(s, used);
	if (status == STATUS_NO_MEMORY) {
		give_up(s);
		return STEP_NEXT;
	}
	pass_on(s, status == STATUS_OK);
	if (status == STATUS_OK)
		finish(s);
	return STEP_NEXT;
}

/* ---- BDAT */

bool message_is_refused(const struct session *s)
{
	return s->transaction->message->is_refused;
}

void message_expect_octets(struct session *s, uint64_t size)
{
	struct message *m = s->transaction->message;
	uint64_t maximum = s->gate->config->limits.message_size;
	if (!m->is_refused && (m->chunks.size > maximum || size > maximum - m->chunks.size))
		refuse_size(s);
}

void message_take_octets(struct session *s, struct span octets)
{
	struct message *m = s->transaction->message;
	if (m->is_refused)
		return;
	if (chunk_scan(&m->chunks, octets, &s->transaction->bytes) != STATUS_OK)
		give_up(s);
	else
		pass_on(s, false);
}

void message_end_chunk(struct session *s, bool is_last)
{
	struct message *m = s->transaction->message;
	if (is_last && !m->is_refused) {
		if (chunk_scan_end(&m->chunks, &s->transaction->bytes) != STATUS_OK) {
			give_up(s);
			return;
		}
		pass_on(s, true);
	}
	if (is_last || m->is_refused) {
		finish(s);
		return;
	}
	session_set_state(s, SESSION_COMMAND);
	session_reply(s, SPAN("250 2.0.0 Chunk received"));
}

/* ---- the relay's word */

/* Within the data, or between its chunks: kept for the end, or the next chunk. */
static void take_early_refusal(struct session *s, struct span text)
{
	struct span refusal = LOST;
	if (arena_copy(&s->arena, text, &refusal) != STATUS_OK)
		refusal = LOST;
	registry_remove(s->gate->transactions, &s->transaction->registration);
	s->transaction->known = false;
	discard(s, refusal);
}

enum status message_take_reply(struct session *s, struct span text)
{
	struct reply reply = { 0 };
	if (reply_read(text, &reply) != STATUS_OK) {
		text = UNKNOWN;
		reply.code = 451;
	}
	/* Before the end of the data only a refusal makes sense: nothing may be taken for a success. */
	if (s->state != SESSION_OUTCOME && reply.code < 400)
		return STATUS_INVALID;
	if (s->state == SESSION_OUTCOME)
		conclude(s, text);
	else if (s->transaction->message)
		take_early_refusal(s, text);
	else
		transaction_take_refusal(s, text);
	return STATUS_OK;
}

void message_lost(struct session *s)
{
	struct message *m = s->transaction->message;
	if (s->state == SESSION_OUTCOME) {
		conclude(s, UNKNOWN);
		return;
	}
	registry_remove(s->gate->transactions, &s->transaction->registration);
	s->transaction->known = false;
	if (!m->is_refused)
		discard(s, LOST);
}
