/*
 * What a session is: its states, and whether it waits for the relay door. This is the lowest of its units, and calls
 * the door and the deadlines alone. Its talk is in session_talk.c, its steps and its end are in session_life.c.
 */
#include "gate/session.h"

#include <assert.h>

#include "gate/deadline.h"

/* ---- states */

#define MOVE(state) (1U << SESSION_##state)

/* Which states may follow; CLOSED may follow all, and nothing follows it. */
static const unsigned legal_moves[SESSION_STATES] = {
	[SESSION_HANDSHAKE] = MOVE(GREETING) | MOVE(COMMAND),
	[SESSION_GREETING] = MOVE(COMMAND),
	[SESSION_COMMAND] = MOVE(STARTTLS) | MOVE(AUTH_VERDICT) | MOVE(DATA) | MOVE(CHUNK),
	[SESSION_STARTTLS] = MOVE(SWITCHING),
	[SESSION_SWITCHING] = MOVE(HANDSHAKE),
	[SESSION_AUTH_VERDICT] = MOVE(AUTH_RESPONSE) | MOVE(COMMAND),
	[SESSION_AUTH_RESPONSE] = MOVE(AUTH_VERDICT) | MOVE(COMMAND),
	[SESSION_DATA] = MOVE(OUTCOME) | MOVE(COMMAND),
	[SESSION_CHUNK] = MOVE(OUTCOME) | MOVE(COMMAND),
	[SESSION_OUTCOME] = MOVE(COMMAND),
	[SESSION_CLOSED] = 0,
};

void session_set_state(struct session *s, enum session_state next)
{
	if (s->state == SESSION_CLOSED)
		return;
	assert(next == SESSION_CLOSED || (legal_moves[s->state] & (1U << next)));
	if (next == SESSION_AUTH_VERDICT)
		stream_pause(s->stream);
	else if (s->state == SESSION_AUTH_VERDICT)
		stream_resume(s->stream);
	s->state = next;
	deadline_touch(s);
}

void session_drop(struct session *s, const char *reason)
{
	if (s->state == SESSION_CLOSED)
		return;
	s->close_reason = reason;
	session_set_state(s, SESSION_CLOSED);
}

/* ---- the relay door */

bool session_has_grant(const struct session *s)
{
	return s->user && relay_door_is_same(&s->gate->relay, s->relay_epoch);
}

enum step session_wait_for_room(struct session *s)
{
	if (s->paced)
		return STEP_WAIT;
	TAILQ_INSERT_TAIL(&s->gate->paced, s, in_paced);
	s->paced = true;
	deadline_pause(s);
	return STEP_WAIT;
}

void session_leave_paced(struct session *s)
{
	if (!s->paced)
		return;
	TAILQ_REMOVE(&s->gate->paced, s, in_paced);
	s->paced = false;
	deadline_resume(s);
}
