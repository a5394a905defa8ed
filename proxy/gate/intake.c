/*
 * The data phase. A refusal found on the way is kept, told to the relay at once, and to the client at the end of the
 * data.
 */
#include "gate/intake.h"

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
#include "smtp/size.h"

/* Bytes that go on from where they are; a shorter run, between line ends to mend, is copied with what is around it. */
#define RUN_LEAST 4096U
/* Bytes that one piece of input may become: each bare LF turns into CRLF. */
#define PIECE_MAXIMUM (128U << 10)
#define LOST SPAN("451 4.3.0 The delivery service was interrupted, the message was not sent, please try again")
#define UNKNOWN SPAN("451 4.3.0 The delivery service was interrupted, it is not known whether the message was sent")

struct intake {
	struct body_scanner scanner; /* of DATA */
	struct chunk_scanner chunks; /* of BDAT; the other one stays zero */
	size_t looked_at;            /* bytes when the header's end was looked for last */
	bool has_start;              /* mbox lines before the header were taken off */
	bool has_header;             /* the header was judged, and what is in `bytes` may go */
	bool is_refused;
	struct span refusal;     /* the reply at the end of the data */
	struct span header_from; /* for the last frame */
	struct span message_id;
	struct span noted;
};

enum status intake_begin(struct session *s)
{
	struct intake *in = arena_alloc(&s->arena, sizeof(*in));
	if (in == NULL)
		return STATUS_NO_MEMORY;
	buf_init(&s->transaction->bytes, HEADER_MAXIMUM + PIECE_MAXIMUM);
	in->refusal = s->transaction->refusal;
	in->is_refused = !span_is_empty(in->refusal);
	s->transaction->intake = in;
	return STATUS_OK;
}

/* ---- refusing */

/* From here on the data is only read to its end, and then answered with `refusal`. */
static void discard_rest(struct session *s, struct span refusal)
{
	struct intake *in = s->transaction->intake;
	in->is_refused = true;
	in->refusal = refusal;
	buf_clear(&s->transaction->bytes);
}

static void refuse_message(struct session *s, struct span refusal, struct span reason, enum stats_refusal label)
{
	char more[LOG_PACE_TEXT];
	if (log_pace_take(&s->gate->lines.messages, loop_now_ms(s->gate->loop), more))
		log_info(SESSION_NAME ": message of %s refused, %.*s: %.*s%s", SESSION_NAME_ARGS(s), s->user,
			 SPAN_ARGS(reason), SPAN_ARGS(refusal), more);
	count_refused(s->gate, label);
	transaction_disown(s, refusal, reason);
	discard_rest(s, refusal);
}

/* ---- sending on */

static enum status send_bytes(struct session *s, struct span bytes, bool complete)
{
	struct intake *in = s->transaction->intake;
	struct door_message_data data = { .transaction = s->transaction->number, .complete = complete, .bytes = bytes };
	if (complete) {
		data.header_from = in->header_from;
		data.message_id = in->message_id;
		data.noted = in->noted;
	}
	return relay_door_data(&s->gate->relay, &data);
}

static void send_gathered(struct session *s)
{
	struct buf *bytes = &s->transaction->bytes;
	if (buf_size(bytes) == 0)
		return;
	if (send_bytes(s, buf_span(bytes), false) != STATUS_OK)
		discard_rest(s, LOST);
	buf_clear(bytes);
}

/*
 * Sends our fields and the header, followed by an empty line where the client left it out: else a reader that skips
 * lines that are no fields would find a second From: in the body.
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
	struct intake *in = s->transaction->intake;
	struct span header = span_slice(buf_span(&s->transaction->bytes), 0, size);
	struct header_verdict verdict;
	struct buf added BUF_AUTO;
	buf_init(&added, ADDED_FIELDS_MAXIMUM);
	if (message_header_judge(s, header, &added, &verdict) != STATUS_OK) {
		refuse_message(s, SPAN(TALK_NO_MEMORY), SPAN("memory"), REFUSAL_OTHER);
		return;
	}
	if (!span_is_empty(verdict.refusal)) {
		refuse_message(s, verdict.refusal, verdict.reason, verdict.label);
		return;
	}
	in->has_header = true;
	in->header_from = verdict.header_from;
	in->message_id = verdict.message_id;
	in->noted = verdict.noted;
	if (send_head(s, buf_span(&added), size) != STATUS_OK)
		discard_rest(s, LOST);
}

/* Takes off the lines that a mailbox file puts before the header. */
static enum status find_start(struct session *s, bool complete)
{
	struct intake *in = s->transaction->intake;
	struct buf *bytes = &s->transaction->bytes;
	size_t size;
	if (in->has_start)
		return STATUS_OK;
	TRY(header_measure_mbox(buf_span(bytes), complete, &size));
	buf_consume(bytes, size);
	in->has_start = true;
	return STATUS_OK;
}

/*
 * Looks for the header's end only when the gathered bytes have doubled since the last look, so that a header that
 * trickles in costs no more than one that comes at once.
 */
static void gather_header(struct session *s, bool complete)
{
	struct intake *in = s->transaction->intake;
	const struct buf *bytes = &s->transaction->bytes;
	size_t gathered = buf_size(bytes);
	size_t size = 0;
	if (!complete && gathered <= HEADER_MAXIMUM && gathered < 2 * in->looked_at)
		return;
	in->looked_at = gathered;
	enum status status = find_start(s, complete);
	if (status == STATUS_OK)
		status = header_find_end(buf_span(bytes), complete, &size);
	if (status == STATUS_OK && size <= HEADER_MAXIMUM)
		judge_header(s, size);
	else if (status == STATUS_OK || gathered > HEADER_MAXIMUM)
		refuse_message(s, SPAN("552 5.3.4 The message's header is too large"), SPAN("header too large"),
			       REFUSAL_HEADER);
}

static void refuse_size(struct session *s)
{
	refuse_message(s, span_of(s->gate->too_large), SPAN("message too large"), REFUSAL_SIZE);
}

/* The scanner may already have seen enough to decide. */
static void judge_data(struct session *s)
{
	const struct intake *in = s->transaction->intake;
	if (size_exceeds(in->scanner.size, in->chunks.size, s->gate->config->limits.message_size))
		refuse_size(s);
	else if (in->scanner.has_cr_or_nul || in->chunks.has_cr_or_nul)
		refuse_message(s,
			       SPAN("554 5.6.0 The message has a carriage return without a line feed, or a NUL byte"),
			       SPAN("stray CR or NUL"), REFUSAL_SYNTAX);
}

static void pass_on_gathered(struct session *s, bool complete)
{
	struct intake *in = s->transaction->intake;
	if (!in->is_refused)
		judge_data(s);
	if (!in->is_refused && !in->has_header)
		gather_header(s, complete);
	if (in->is_refused)
		buf_clear(&s->transaction->bytes);
	else if (in->has_header && !complete)
		send_gathered(s);
}

/* ---- the end of the data */

static void conclude_message(struct session *s, struct span reply)
{
	session_set_state(s, SESSION_COMMAND);
	s->idle = 0;
	session_reply(s, reply); /* may lie in the arena */
	transaction_end(s);
}

static void finish_data(struct session *s)
{
	struct intake *in = s->transaction->intake;
	if (in->is_refused) {
		conclude_message(s, in->refusal);
		return;
	}
	if (send_bytes(s, buf_span(&s->transaction->bytes), true) != STATUS_OK) {
		conclude_message(s, UNKNOWN);
		return;
	}
	buf_clear(&s->transaction->bytes);
	session_set_state(s, SESSION_OUTCOME);
}

/* ---- DATA */

static void end_without_memory(struct session *s)
{
	session_farewell(s, SPAN("421 4.3.0 Out of memory, please try again"), "out of memory");
}

enum step intake_wait(struct session *s)
{
	if (s->peer_ended)
		session_drop(s, "client closed within a message");
	return STEP_WAIT;
}

/* The rest of a message, where nothing is to be changed. False: that is not so here. */
static bool pass_on_run(struct session *s)
{
	struct intake *in = s->transaction->intake;
	struct buf *input = stream_input(s->stream);
	struct body_scanner scanner = in->scanner;
	if (!in->has_header || in->is_refused || buf_size(input) < RUN_LEAST)
		return false;
	size_t size = body_pass(&scanner, buf_span(input));
	if (size < RUN_LEAST)
		return false;
	in->scanner = scanner;
	judge_data(s);
	if (!in->is_refused && send_bytes(s, span_slice(buf_span(input), 0, size), false) != STATUS_OK)
		discard_rest(s, LOST);
	buf_consume(input, size);
	deadline_take_data(s, size);
	return true;
}

enum step intake_step(struct session *s)
{
	struct intake *in = s->transaction->intake;
	struct buf *input = stream_input(s->stream);
	size_t used = 0;
	if (buf_size(input) == 0)
		return intake_wait(s);
	if (!in->is_refused && relay_door_is_full(&s->gate->relay))
		return session_wait_for_room(s);
	if (pass_on_run(s))
		return STEP_NEXT;
	struct span bytes = span_slice(buf_span(input), 0, in->has_header ? RUN_LEAST : PIECE_MAXIMUM);
	enum status status = body_scan(&in->scanner, bytes, &s->transaction->bytes, &used);
	buf_consume(input, used);
	deadline_take_data(s, used);
	if (status == STATUS_NO_MEMORY) {
		end_without_memory(s);
		return STEP_NEXT;
	}
	pass_on_gathered(s, status == STATUS_OK);
	if (status == STATUS_OK)
		finish_data(s);
	return STEP_NEXT;
}

/* ---- BDAT */

bool intake_is_refused(const struct session *s)
{
	return s->transaction->intake->is_refused;
}

void intake_expect_octets(struct session *s, uint64_t size)
{
	struct intake *in = s->transaction->intake;
	if (!in->is_refused && size_exceeds(in->chunks.size, size, s->gate->config->limits.message_size))
		refuse_size(s);
}

void intake_take_octets(struct session *s, struct span octets)
{
	struct intake *in = s->transaction->intake;
	if (in->is_refused)
		return;
	if (chunk_scan(&in->chunks, octets, &s->transaction->bytes) != STATUS_OK)
		end_without_memory(s);
	else
		pass_on_gathered(s, false);
}

void intake_end_chunk(struct session *s, bool is_last)
{
	struct intake *in = s->transaction->intake;
	if (is_last && !in->is_refused) {
		if (chunk_scan_end(&in->chunks, &s->transaction->bytes) != STATUS_OK) {
			end_without_memory(s);
			return;
		}
		pass_on_gathered(s, true);
	}
	if (is_last || in->is_refused) {
		finish_data(s);
		return;
	}
	session_set_state(s, SESSION_COMMAND);
	session_reply(s, SPAN("250 2.0.0 Chunk received"));
}

/* ---- the relay's answer */

/* Within the data, or between its chunks: it is kept for the end, or the next chunk. */
static void take_early_refusal(struct session *s, struct span text)
{
	struct span refusal = LOST;
	if (arena_copy(&s->arena, text, &refusal) != STATUS_OK)
		refusal = LOST;
	registry_remove(s->gate->transactions, &s->transaction->registration);
	s->transaction->known = false;
	discard_rest(s, refusal);
}

enum status intake_take_reply(struct session *s, struct span text)
{
	struct reply reply = { 0 };
	if (reply_read(text, &reply) != STATUS_OK) {
		text = UNKNOWN;
		reply.code = 451;
	}
	/* Before the end of the data only a refusal makes sense: nothing there may be taken for a success. */
	if (s->state != SESSION_OUTCOME && reply.code < 400)
		return STATUS_INVALID;
	if (s->state == SESSION_OUTCOME)
		conclude_message(s, text);
	else if (s->transaction->intake)
		take_early_refusal(s, text);
	else
		transaction_take_refusal(s, text);
	return STATUS_OK;
}

void intake_lost(struct session *s)
{
	struct intake *in = s->transaction->intake;
	if (s->state == SESSION_OUTCOME) {
		conclude_message(s, UNKNOWN);
		return;
	}
	registry_remove(s->gate->transactions, &s->transaction->registration);
	s->transaction->known = false;
	if (!in->is_refused)
		discard_rest(s, LOST);
}
