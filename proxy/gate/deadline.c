/*
 * Deadlines of a session. Keeps them on it, in milliseconds of the loop's clock; the credit of a message in
 * microseconds. Calls no other unit of the room.
 */
#include "gate/deadline.h"

#include "gate/session.h"
#include "gate/transaction.h"

#define HANDSHAKE_MS 30000  /* TLS, after STARTTLS too: some round trips, and a slow device's arithmetic */
#define DRAIN_IDLE_MS 5000  /* from one message to the next: a client that sends more of them is quicker */
#define ROLE_WAIT_MS 660000 /* the longest reply_timeout and a minute: the net below the roles' own deadlines */

static uint64_t now_ms(const struct session *s)
{
	return loop_now_ms(s->gate->loop);
}

static uint64_t earlier_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- the data of a message */

void deadline_begin_data(struct session *s)
{
	s->data_taken_ms = now_ms(s);
	s->data_deadline_us = (now_ms(s) + s->gate->config->limits.data_timeout) * 1000;
}

void deadline_take_data(struct session *s, size_t bytes)
{
	const struct config_limits *limits = &s->gate->config->limits;
	uint64_t latest = (now_ms(s) + limits->data_timeout) * 1000;
	s->data_taken_ms = now_ms(s);
	if (limits->data_rate == 0)
		s->data_deadline_us = latest;
	else
		s->data_deadline_us = earlier_of(latest, s->data_deadline_us + bytes * 1000000 / limits->data_rate);
	deadline_touch(s);
}

static bool is_within_data(const struct session *s)
{
	bool is_between_chunks = s->state == SESSION_COMMAND && s->transaction && s->transaction->intake;
	return s->state == SESSION_DATA || s->state == SESSION_CHUNK || is_between_chunks;
}

/* Some bytes came lately, but too few: it was not silence. */
static bool was_slow(const struct session *s)
{
	return is_within_data(s) && 2 * (now_ms(s) - s->data_taken_ms) < s->gate->config->limits.data_timeout;
}

/* ---- pauses */

void deadline_pause(struct session *s)
{
	s->paused_ms = now_ms(s);
}

void deadline_resume(struct session *s)
{
	uint64_t pause = now_ms(s) - s->paused_ms;
	s->deadline_ms += pause;
	s->data_deadline_us += pause * 1000;
	s->data_taken_ms += pause;
}

/* ---- states */

static uint64_t time_of_state(const struct session *s)
{
	const struct config_limits *limits = &s->gate->config->limits;
	switch (s->state) {
	case SESSION_AUTH_VERDICT:
	case SESSION_OUTCOME:
		return ROLE_WAIT_MS;
	case SESSION_COMMAND:
		return s->replies.waiting ? ROLE_WAIT_MS : limits->command_timeout;
	case SESSION_HANDSHAKE:
	case SESSION_SWITCHING:
		return earlier_of(HANDSHAKE_MS, limits->command_timeout);
	case SESSION_GREETING:
	case SESSION_STARTTLS:
	case SESSION_AUTH_RESPONSE:
	case SESSION_DATA:
	case SESSION_CHUNK:
	case SESSION_CLOSED:
	case SESSION_STATES:
	default:
		return limits->command_timeout;
	}
}

void deadline_touch(struct session *s)
{
	bool is_data = s->state == SESSION_DATA || s->state == SESSION_CHUNK;
	s->deadline_ms = is_data ? s->data_deadline_us / 1000 : now_ms(s) + time_of_state(s);
	if (is_within_data(s) && !s->replies.waiting)
		s->deadline_ms = earlier_of(s->deadline_ms, s->data_deadline_us / 1000);
}

/* ---- the end of a draining gate */

static bool is_idle(const struct session *s)
{
	return s->user && s->transaction == NULL && s->state == SESSION_COMMAND &&
	       buf_size(stream_input(s->stream)) == 0;
}

bool deadline_may_end(const struct session *s)
{
	const struct gate *gate = s->gate;
	if (gate->drain == ROLE_DRAIN_ENDS)
		return true;
	return gate->drain_rest_ms == 0 && is_idle(s) && now_ms(s) >= s->idle_since_ms + DRAIN_IDLE_MS;
}

/* ---- the stream's deadline */

static uint64_t login_deadline(const struct session *s)
{
	return s->opened_ms + s->gate->config->limits.auth_timeout;
}

void deadline_arm(struct session *s)
{
	uint64_t deadline = s->paced ? s->paused_ms + ROLE_WAIT_MS : s->deadline_ms;
	uint64_t now = now_ms(s);
	if (s->user == NULL)
		deadline = earlier_of(deadline, login_deadline(s));
	if (s->gate->draining && s->gate->drain_rest_ms == 0 && is_idle(s))
		deadline = earlier_of(deadline, s->idle_since_ms + DRAIN_IDLE_MS);
	if (deadline == s->armed_ms)
		return;
	s->armed_ms = deadline;
	stream_set_deadline(s->stream, deadline > now ? deadline - now : 1);
}

enum deadline deadline_take_passed(struct session *s)
{
	s->armed_ms = 0;
	if (s->gate->draining && is_idle(s) && now_ms(s) < s->deadline_ms)
		return DEADLINE_IDLE;
	if (s->user == NULL && now_ms(s) >= login_deadline(s))
		return DEADLINE_LOGIN;
	if (s->state == SESSION_OUTCOME)
		return DEADLINE_OUTCOME;
	if (s->paced)
		return DEADLINE_ROOM;
	return was_slow(s) ? DEADLINE_RATE : DEADLINE_STATE;
}
