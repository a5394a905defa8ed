/*
 * BDAT (RFC 3030): a message in counted chunks.
 *
 * Whatever becomes of a chunk, its octets are never taken for commands: they belong to the message, or are dropped and
 * the refusal follows them (RFC 3030, 2). Where their number can't be read the connection ends.
 */
#include "gate/cmd_bdat.h"

#include "gate/commands.h"
#include "gate/count.h"
#include "gate/deadline.h"
#include "gate/intake.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"
#include "smtp/chunk.h"

void bdat_cut_off(struct session *s)
{
	session_note_incident(s, "unreadable BDAT");
	session_farewell(s, SPAN("421 4.7.0 What follows can't be told from commands, closing the connection"),
			 "unreadable BDAT");
}

static void refuse_syntax(struct session *s)
{
	count_refused(s->gate, REFUSAL_SYNTAX);
	session_reply(s, SPAN("501 5.5.4 Syntax: BDAT octets [LAST]"));
	bdat_cut_off(s);
}

/* A message has one allowance of time for all its chunks; what is dropped has one of its own. */
static void begin_chunk(struct session *s, const struct chunk_announcement *announcement, const char *refusal,
			bool goes_on)
{
	s->chunk = (struct chunk){ .left = announcement->size, .is_last = announcement->is_last, .refusal = refusal };
	if (refusal || !goes_on)
		deadline_begin_data(s);
	session_set_state(s, SESSION_CHUNK);
}

/* A client that pipelined its chunks goes on for a while after a refusal: only those of strangers count as errors. */
void bdat_refuse(struct session *s, const struct smtp_command *command, const char *refusal)
{
	struct chunk_announcement announcement;
	if (chunk_read(command->argument, &announcement) != STATUS_OK) {
		refuse_syntax(s);
		return;
	}
	begin_chunk(s, &announcement, refusal, false);
	s->chunk.is_error = s->user == NULL;
}

/* The first chunk of a message, judged as DATA is. NULL: it has begun. */
static const char *begin_message(struct session *s)
{
	const char *refusal = transaction_refuse_message(s);
	if (refusal && span_is_empty(s->transaction->refusal))
		return refusal;
	if (intake_begin(s) != STATUS_OK)
		return TALK_NO_MEMORY;
	return NULL;
}

void cmd_bdat(struct session *s, const struct smtp_command *command)
{
	struct chunk_announcement announcement;
	if (chunk_read(command->argument, &announcement) != STATUS_OK) {
		refuse_syntax(s);
		return;
	}
	bool goes_on = s->transaction->intake != NULL;
	begin_chunk(s, &announcement, goes_on ? NULL : begin_message(s), goes_on);
	if (s->chunk.refusal == NULL)
		intake_expect_octets(s, announcement.size);
}

/* ---- the octets */

static enum step end_chunk(struct session *s)
{
	if (s->chunk.refusal == NULL) {
		intake_end_chunk(s, s->chunk.is_last);
		return STEP_NEXT;
	}
	session_set_state(s, SESSION_COMMAND);
	session_reply(s, span_of(s->chunk.refusal));
	if (s->chunk.is_error)
		session_count_error(s);
	return STEP_NEXT;
}

static void take_octets(struct session *s, struct span octets)
{
	s->chunk.left -= octets.size;
	if (s->chunk.refusal == NULL)
		intake_take_octets(s, octets);
	buf_consume(stream_input(s->stream), octets.size);
	deadline_take_data(s, octets.size);
}

enum step bdat_step(struct session *s)
{
	struct span input = buf_span(stream_input(s->stream));
	bool goes_on = s->chunk.refusal == NULL && !intake_is_refused(s);
	if (s->chunk.left == 0)
		return end_chunk(s);
	if (span_is_empty(input))
		return intake_wait(s);
	if (goes_on && relay_door_is_full(&s->gate->relay))
		return session_wait_for_room(s);
	input = span_slice(input, 0, INTAKE_OCTETS_MAXIMUM);
	take_octets(s, s->chunk.left < input.size ? span_slice(input, 0, s->chunk.left) : input);
	return STEP_NEXT;
}
