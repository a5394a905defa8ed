/* The table of commands and what it demands. Keeps no state of its own. */
#include "gate/commands.h"

#include "gate/cmd_bdat.h"
#include "gate/count.h"
#include "gate/deadline.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"

#define SLOTS_MAXIMUM 1200 /* replies waiting at once: more than the most recipients a message may have */
#define IDLE_MAXIMUM 100   /* NOOP, RSET and their like without a message; each one beyond is an error, as in Postfix */

enum condition {
	HELO = 1,         /* EHLO or HELO was said */
	TLS = 2,          /* the connection is encrypted */
	TLS_FOR_AUTH = 4, /* the same, with its own refusal */
	USER = 8,         /* somebody is logged in */
	TRANSACTION = 16, /* MAIL was accepted */
	CHUNKS = 32,      /* a BDAT was accepted: the message has begun */
};

struct command_row {
	unsigned needs;
	unsigned forbids;
	bool bare;           /* takes no argument */
	bool beside_waiting; /* may run while replies before it are waited for */
	bool idle;           /* counts among those that lead to no message */
	command_handler *run;
};

static const struct command_row table[VERB_COUNT] = {
	[VERB_UNKNOWN] = { 0, 0, false, false, false, cmd_unknown },
	[VERB_EHLO] = { 0, 0, false, false, true, cmd_ehlo },
	[VERB_HELO] = { 0, 0, false, false, true, cmd_ehlo },
	[VERB_STARTTLS] = { 0, TLS, true, false, false, cmd_starttls },
	[VERB_AUTH] = { TLS_FOR_AUTH | HELO, TRANSACTION | USER, false, false, false, cmd_auth },
	[VERB_MAIL] = { TLS | USER | HELO, TRANSACTION, false, false, false, cmd_mail },
	[VERB_RCPT] = { TLS | USER | TRANSACTION, CHUNKS, false, true, false, cmd_rcpt },
	[VERB_DATA] = { TLS | USER | TRANSACTION, CHUNKS, true, false, false, cmd_data },
	[VERB_BDAT] = { TLS | USER | TRANSACTION, 0, false, false, false, cmd_bdat },
	[VERB_RSET] = { 0, 0, true, false, true, cmd_rset },
	[VERB_NOOP] = { 0, 0, false, false, true, cmd_noop },
	[VERB_VRFY] = { 0, 0, false, false, true, cmd_vrfy },
	[VERB_HELP] = { 0, 0, false, false, true, cmd_help },
	[VERB_QUIT] = { 0, 0, false, false, false, cmd_quit },
};

struct demand {
	unsigned condition;
	const char *refusal;
};

/* In the order in which they are told: the first that is missing, or in the way. */
static const struct demand missing[] = {
	{ TLS, "530 5.7.0 Must issue a STARTTLS command first" },
	{ TLS_FOR_AUTH, "538 5.7.11 Encryption required: issue a STARTTLS command first" },
	{ USER, "530 5.7.0 Authentication required" },
	{ HELO, "503 5.5.1 Send EHLO first" },
	{ TRANSACTION, "503 5.5.1 Send MAIL first" },
};
static const struct demand in_the_way[] = {
	{ TLS, "503 5.5.1 TLS is active already" },
	{ USER, "503 5.5.1 Already logged in" },
	{ TRANSACTION, "503 5.5.1 Not within a mail transaction" },
	{ CHUNKS, "503 5.5.1 The message has begun: only BDAT or RSET may follow" },
};

static unsigned conditions_of(const struct session *s)
{
	bool secure = stream_is_secure(s->stream);
	return (s->helo ? HELO : 0U) | (secure ? TLS | TLS_FOR_AUTH : 0U) | (s->user ? USER : 0U) |
	       (s->transaction ? TRANSACTION : 0U) | (s->transaction && s->transaction->intake ? CHUNKS : 0U);
}

static const char *find_refusal(const struct session *s, const struct command_row *row,
				const struct smtp_command *command)
{
	unsigned held = conditions_of(s);
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		if (missing[i].condition & row->needs & ~held)
			return missing[i].refusal;
	}
	for (size_t i = 0; i < sizeof(in_the_way) / sizeof(in_the_way[0]); i++) {
		if (in_the_way[i].condition & row->forbids & held)
			return in_the_way[i].refusal;
	}
	if (row->bare && !span_is_empty(command->argument))
		return "501 5.5.4 This command takes no argument";
	return NULL;
}

static void run_command(struct session *s, const struct command_row *row, const struct smtp_command *command)
{
	const char *refusal = find_refusal(s, row, command);
	if (refusal == NULL) {
		row->run(s, command);
		if (row->idle && ++s->idle > IDLE_MAXIMUM)
			session_count_error(s);
		return;
	}
	count_refused(s->gate, REFUSAL_SYNTAX);
	if (command->verb == VERB_AUTH && !stream_is_secure(s->stream))
		session_note_incident(s, "login before TLS"); /* everybody on the way may have seen a password */
	if (command->verb == VERB_BDAT)
		bdat_refuse(s, command, refusal);
	else
		session_refuse(s, span_of(refusal));
}

/* True when this session takes no further command, and its client was told so. */
static bool is_over(struct session *s)
{
	bool idle = s->transaction == NULL;
	if (s->has_ended)
		session_farewell(s, SPAN(TALK_ENDED), "access ended");
	else if (s->user && idle && !session_has_grant(s))
		session_farewell(s, SPAN("421 4.3.0 The delivery service was restarted, please connect again"),
				 "relay lost");
	else if (s->gate->draining && idle && deadline_may_end(s))
		session_farewell(s, SPAN(TALK_SHUTTING_DOWN), "drain");
	return s->state == SESSION_CLOSED;
}

/*
 * A client that sends its message whatever the answer to DATA was would have its lines run as commands: a stranger's
 * text could send mail in this user's name.
 */
static bool is_unasked_message(struct session *s, const struct smtp_command *command, size_t used)
{
	bool is_refused = command->verb == VERB_DATA && s->state == SESSION_COMMAND;
	bool is_text = s->data_refused && command->verb == VERB_UNKNOWN;
	s->data_refused = is_refused;
	return is_text || (is_refused && buf_size(stream_input(s->stream)) > used);
}

/*
 * What clients of the encrypted port begin with: record type 22, version 3 (RFC 8446, 5.1). They couldn't read a reply.
 */
static bool is_tls(struct session *s)
{
	return s->commands == 0 && !stream_is_secure(s->stream) &&
	       span_starts_with(buf_span(stream_input(s->stream)), SPAN("\x16\x03"));
}

/* True while the client does not read its replies, or when more of them wait than any batch needs. */
static bool is_full(struct session *s)
{
	if (s->replies.count >= SLOTS_MAXIMUM)
		return true;
	if (stream_backlog(s->stream) < COMMANDS_OUTPUT_PACE)
		return false;
	stream_want_drained(s->stream);
	return true;
}

/* Lines of AUTH may be longer than any others (RFC 4954, 4). */
static size_t line_maximum(const struct session *s)
{
	bool is_auth = span_starts_with_nocase(buf_span(stream_input(s->stream)), SPAN("AUTH "));
	return is_auth ? COMMAND_AUTH_LINE_MAXIMUM : COMMAND_LINE_MAXIMUM;
}

/* The input holds no whole command: the batch goes out, and it is the client's turn, if it is still there. */
static enum step end_batch(struct session *s)
{
	transaction_send_batch(s);
	if (s->peer_ended && s->replies.waiting == 0) {
		session_drop(s, "client closed");
		return STEP_NEXT;
	}
	return STEP_WAIT;
}

/* The octets after a BDAT that can't be read are no commands. */
static void refuse_line(struct session *s, enum status fault, size_t used)
{
	bool is_bdat = span_starts_with_nocase(buf_span(stream_input(s->stream)), SPAN("BDAT"));
	session_refuse_line(s, fault, used);
	if (is_bdat)
		bdat_cut_off(s);
}

/* `used` bytes of the input are the line and its end: they stay until the command has run, or may run. */
static enum step run_line(struct session *s, struct span line, size_t used)
{
	struct smtp_command command = command_read(line);
	const struct command_row *row = &table[command.verb];
	if (!row->beside_waiting) {
		transaction_send_batch(s);
		if (s->replies.waiting > 0)
			return STEP_WAIT;
	}
	run_command(s, row, &command);
	if (is_unasked_message(s, &command, used))
		session_end_abuse(
			s, SPAN("421 4.7.0 DATA was refused, and no message may follow it, closing the connection"),
			"message after a refused DATA");
	buf_consume(stream_input(s->stream), used);
	if (!row->idle || s->transaction == NULL)
		deadline_touch(s);
	return STEP_NEXT;
}

enum step commands_step(struct session *s)
{
	struct span line;
	size_t used = 0;
	if (is_over(s))
		return STEP_NEXT;
	if (is_tls(s)) {
		session_end_abuse(s, SPAN(""), "TLS before STARTTLS");
		return STEP_NEXT;
	}
	if (s->transaction && relay_door_is_full(&s->gate->relay))
		return session_wait_for_room(s);
	if (is_full(s)) {
		transaction_send_batch(s);
		return STEP_WAIT;
	}
	enum status status = session_take_line(s, line_maximum(s), &line, &used);
	if (status == STATUS_AGAIN)
		return end_batch(s);
	if (status != STATUS_OK) {
		refuse_line(s, status, used);
		return STEP_NEXT;
	}
	return run_line(s, line, used);
}
