/*
 * The session's life: opening, the events of its stream, deadlines, the driver and the end. What commands do is in
 * cmd_*.c, and what messages do in intake.c.
 *
 * Owns the stream and all memory of the session. What fails for want of memory ends this session alone.
 */
#include "gate/session_life.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "gate/cmd_auth.h"
#include "gate/cmd_bdat.h"
#include "gate/cmd_starttls.h"
#include "gate/commands.h"
#include "gate/count.h"
#include "gate/deadline.h"
#include "gate/departure.h"
#include "gate/handshake.h"
#include "gate/intake.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"

#define INPUT_MAXIMUM (64U << 10)   /* bytes unread: four of the longest lines of AUTH, or one piece of a message */
#define OUTPUT_MAXIMUM (512U << 10) /* bytes unsent: the largest reply fits beyond COMMANDS_OUTPUT_PACE */
#define ARENA_MAXIMUM (64U << 10)   /* bytes: one transaction's sender, id and header facts */
#define FINISH_MS 10000             /* for the last reply to a slow client */

/* ---- the end */

/* The other roles are told while the stream still knows its cipher. */
static void tell_roles(struct session *s)
{
	transaction_abort(s, (struct span){ 0 }, (struct span){ 0 });
	auth_door_cancel(s);
	if (s->announced)
		relay_door_session_closed(s);
	else if (s->limit != REFUSAL_OTHER)
		refused_note(&s->gate->refused, s->limit, span_of(s->address), s->port,
			     span_of(s->listener->config->name));
	else if (s->had_tls)
		anonymous_note(&s->gate->anonymous, span_of(s->address));
}

static void count_gone(struct session *s)
{
	struct gate *gate = s->gate;
	auth_leave_user(s);
	if (s->user)
		gate->authenticated_count--;
	else
		gate->open_count--;
	count_sessions(gate);
}

static void close_session(struct session *s)
{
	struct gate *gate = s->gate;
	log_debug(SESSION_NAME ": closed, %s", SESSION_NAME_ARGS(s), s->close_reason);
	tell_roles(s);
	session_leave_paced(s);
	count_gone(s);
	TAILQ_REMOVE(&gate->sessions, s, in_gate);
	replies_free(&s->replies);
	arena_reset(&s->arena);
	/* A client that only ended sending may still read its last replies. */
	if ((s->finish || s->peer_ended) && !s->peer_failed)
		stream_finish(&s->stream, FINISH_MS);
	else
		stream_free(&s->stream);
	free(s->helo);
	free(s->tls_client_subject);
	free(s->user);
	free(s);
	departure_note(gate);
}

/* ---- the driver */

static enum step step_greeting(struct session *s)
{
	if (s->gate->draining && s->gate->drain == ROLE_DRAIN_ENDS) {
		session_farewell(s, SPAN(TALK_SHUTTING_DOWN), "drain");
		return STEP_NEXT;
	}
	session_set_state(s, SESSION_COMMAND);
	session_replyf(s, "220 %s ESMTP Subgate ready", s->gate->config->global.hostname);
	return STEP_NEXT;
}

static enum step step_nothing(struct session *s)
{
	(void)s;
	return STEP_WAIT;
}

static enum step (*const steps[SESSION_STATES])(struct session *s) = {
	[SESSION_HANDSHAKE] = starttls_step_handshake,
	[SESSION_GREETING] = step_greeting,
	[SESSION_COMMAND] = commands_step,
	[SESSION_STARTTLS] = starttls_step_answer,
	[SESSION_SWITCHING] = starttls_step_switch,
	[SESSION_AUTH_VERDICT] = step_nothing,
	[SESSION_AUTH_RESPONSE] = auth_step_response,
	[SESSION_DATA] = intake_step,
	[SESSION_CHUNK] = bdat_step,
	[SESSION_OUTCOME] = step_nothing,
	[SESSION_CLOSED] = step_nothing,
};

void session_drive(struct session *s)
{
	enum step step;
	do {
		/* Once the relay has the whole message, it has an outcome whether the client is there or not. */
		if (s->peer_failed && s->state != SESSION_OUTCOME)
			session_drop(s, "connection lost");
		step = steps[s->state](s);
	} while (step == STEP_NEXT);
	if (s->state == SESSION_CLOSED)
		close_session(s);
	else
		deadline_arm(s);
}

/* ---- what happens to it */

static void act_on_deadline(struct session *s)
{
	bool can_hear = s->state != SESSION_HANDSHAKE && s->state != SESSION_SWITCHING;
	switch (deadline_take_passed(s)) {
	case DEADLINE_LOGIN:
		session_reach_limit(s, REFUSAL_LOGIN,
				    can_hear ? SPAN("421 4.4.2 No login for too long, closing the connection")
					     : SPAN(""),
				    "timeout");
		break;
	case DEADLINE_OUTCOME:
		intake_lost(s);
		break;
	case DEADLINE_ROOM:
		session_farewell(s, SPAN("421 4.3.2 The delivery service is too busy, please try again"), "relay busy");
		break;
	case DEADLINE_RATE:
		session_reach_limit(s, REFUSAL_RATE, SPAN("421 4.4.2 Data comes too slowly, closing the connection"),
				    "too slow");
		break;
	case DEADLINE_STATE:
		session_reach_limit(s, REFUSAL_TIMEOUT,
				    can_hear ? SPAN("421 4.4.2 Idle for too long, closing the connection") : SPAN(""),
				    "timeout");
		break;
	case DEADLINE_IDLE:
	default:
		break;
	}
}

static void on_event(void *context, struct stream *stream, enum stream_event event)
{
	struct session *s = context;
	(void)stream;
	switch (event) {
	case STREAM_TIMEOUT:
		act_on_deadline(s);
		break;
	case STREAM_ENDED:
		s->peer_ended = true;
		break;
	case STREAM_FAILED:
		log_debug(SESSION_NAME ": %s", SESSION_NAME_ARGS(s), stream_error(s->stream));
		if (s->state == SESSION_HANDSHAKE) {
			handshake_note_failure(s);
		} else if (stream_was_abused(s->stream)) {
			/* Renegotiation, or endless messages of TLS itself: no well-meaning client does either. */
			count_refused(s->gate, REFUSAL_TLS);
			session_note_incident(s, "abuse of TLS");
		}
		s->peer_failed = true;
		s->replies.stream = NULL;
		break;
	case STREAM_CONNECTED:
	case STREAM_SECURED:
	case STREAM_INPUT:
	case STREAM_DRAINED:
	default:
		break;
	}
	session_drive(s);
}

void session_on_drain(struct session *s, bool now)
{
	bool speaks = s->state == SESSION_COMMAND || s->state == SESSION_AUTH_VERDICT ||
		      s->state == SESSION_AUTH_RESPONSE || s->state == SESSION_DATA || s->state == SESSION_CHUNK;
	if (now && s->state == SESSION_OUTCOME)
		session_farewell(
			s, SPAN("421 4.3.2 This server is shutting down, it is not known whether the message was sent"),
			"drain");
	else if (now && speaks)
		session_farewell(s, SPAN(TALK_SHUTTING_DOWN), "drain");
	else if (now)
		session_drop(s, "drain");
	session_drive(s);
}

/* The relay refuses all that is still to come; the outcome of a message that it has is waited for. */
void session_on_ended(struct session *s)
{
	s->has_ended = true;
	if (s->state == SESSION_HANDSHAKE || s->state == SESSION_SWITCHING)
		session_drop(s, "access ended"); /* nobody logged in; it could not hear */
	else if (s->state != SESSION_OUTCOME)
		session_farewell(s, SPAN(TALK_ENDED), "access ended");
	session_drive(s);
}

/* ---- the beginning */

static void enter_gate(struct session *s)
{
	struct gate *gate = s->gate;
	s->number = ++gate->last_session;
	TAILQ_INSERT_TAIL(&gate->sessions, s, in_gate);
	gate->open_count++;
	count_sessions(gate);
	log_debug(SESSION_NAME ": opened from %s", SESSION_NAME_ARGS(s), s->address);
}

/* The place is held by the stream, and given up when that is gone, here too. */
static enum status make_session(struct gate_listener *listener, int fd, struct limits_place *place,
				struct session **out_session)
{
	struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM,
		.output_maximum = OUTPUT_MAXIMUM,
		.on_event = on_event,
		.on_gone = limits_give_up_place,
		.gone_context = place,
	};
	struct session *s = options.context = calloc(1, sizeof(*s));
	enum status status = STATUS_NO_MEMORY;
	if (s)
		status = stream_create(listener->gate->loop, fd, &options, &s->stream);
	else
		close(fd);
	if (status != STATUS_OK) {
		limits_give_up_place(place);
		free(s);
		return status;
	}
	stream_input(s->stream)->sensitive = true; /* passwords pass through it */
	*out_session = s;
	return STATUS_OK;
}

static enum status begin_session(struct session *s)
{
	bool implicit = s->listener->config->tls == LISTENER_TLS_IMPLICIT;
	s->state = implicit ? SESSION_HANDSHAKE : SESSION_GREETING;
	deadline_touch(s);
	return implicit ? stream_secure_server(s->stream, s->listener->tls) : STATUS_OK;
}

void session_log_no_memory(struct gate *gate)
{
	char more[LOG_PACE_TEXT];
	if (log_pace_take(&gate->lines.no_memory, loop_now_ms(gate->loop), more))
		log_warning("no memory for one more session%s", more);
}

void session_open(struct gate_listener *listener, int fd, const struct endpoint *peer, uint64_t network)
{
	struct limits_place *place = NULL;
	struct session *s = NULL;
	if (limits_hold_place(&listener->gate->limits, network, &place) != STATUS_OK) {
		session_log_no_memory(listener->gate);
		close(fd);
		return;
	}
	if (make_session(listener, fd, place, &s) != STATUS_OK) {
		session_log_no_memory(listener->gate);
		return;
	}
	s->gate = listener->gate;
	s->listener = listener;
	s->opened_ms = loop_now_ms(s->gate->loop);
	s->close_reason = "";
	endpoint_format(peer, s->address);
	s->port = endpoint_port(peer);
	replies_init(&s->replies, s->stream);
	arena_init(&s->arena, ARENA_MAXIMUM);
	enter_gate(s);
	if (begin_session(s) != STATUS_OK)
		session_drop(s, "no TLS");
	session_drive(s);
}
