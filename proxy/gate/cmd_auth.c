/*
 * AUTH. A login counts only by the auth role's word, and only while the relay that was told of it is the one that we
 * still speak to (promise 1).
 */
#include "gate/cmd_auth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "door/messages.h"
#include "gate/commands.h"
#include "gate/count.h"
#include "gate/session_talk.h"
#include "smtp/reply.h"

#define UNAVAILABLE SPAN("454 4.7.0 Temporary authentication failure, please try again later")

void cmd_auth(struct session *s, const struct smtp_command *command)
{
	struct span initial = command->argument;
	struct span mechanism = { 0 };
	bool has_mechanism = span_cut(&initial, ' ', &mechanism);
	if (!s->announced)
		relay_door_session_opened(s);
	initial = span_trim(initial);
	if (!has_mechanism || span_is_empty(mechanism) || span_contains_byte(initial, ' ')) {
		session_refuse(s, SPAN("501 5.5.4 Syntax: AUTH mechanism [initial-response]"));
		return;
	}
	if (!auth_door_offers(s, mechanism)) {
		session_refuse(s, SPAN("504 5.5.4 This authentication mechanism is not offered"));
		return;
	}
	if (auth_door_start(s, mechanism, !span_is_empty(initial), initial) != STATUS_OK) {
		session_reply(s, UNAVAILABLE);
		return;
	}
	session_set_state(s, SESSION_AUTH_VERDICT);
}

static void end_exchange(struct session *s)
{
	auth_door_cancel(s);
	session_set_state(s, SESSION_COMMAND);
}

static void take_response(struct session *s, struct span line)
{
	if (span_equal(line, SPAN("*"))) {
		end_exchange(s);
		session_refuse(s, SPAN("501 5.7.0 Authentication cancelled"));
	} else if (auth_door_step(s, line) == STATUS_OK) {
		session_set_state(s, SESSION_AUTH_VERDICT);
	} else {
		end_exchange(s);
		session_reply(s, UNAVAILABLE);
	}
}

enum step auth_step_response(struct session *s)
{
	struct span line;
	size_t used = 0;
	enum status status = session_take_line(s, COMMAND_AUTH_LINE_MAXIMUM, &line, &used);
	if (status == STATUS_AGAIN) {
		if (s->peer_ended)
			session_drop(s, "client closed");
		return STEP_WAIT;
	}
	if (status == STATUS_OK) {
		take_response(s, line);
		buf_consume(stream_input(s->stream), used);
		return STEP_NEXT;
	}
	end_exchange(s);
	session_refuse_line(s, status, used);
	return STEP_NEXT;
}

/* A challenge must stay one line, and may be longer than the length at which replies are folded. */
static enum status write_challenge(struct session *s, struct span challenge)
{
	struct buf line BUF_AUTO;
	buf_init(&line, COMMAND_AUTH_LINE_MAXIMUM);
	if (span_contains_byte(challenge, '\r') || span_contains_byte(challenge, '\n'))
		return STATUS_INVALID;
	TRY(buf_append(&line, SPAN("334 ")));
	TRY(buf_append(&line, challenge));
	TRY(buf_append(&line, SPAN("\r\n")));
	return stream_write(s->stream, buf_span(&line));
}

void auth_take_challenge(struct session *s, struct span challenge)
{
	if (s->state != SESSION_AUTH_VERDICT)
		return;
	if (!s->peer_failed && write_challenge(s, challenge) != STATUS_OK)
		session_drop(s, "challenge not sent");
	session_set_state(s, SESSION_AUTH_RESPONSE);
}

/* Makes them the session's user, or leaves everything as it was. */
static enum status take_identity(struct session *s, const struct door_sasl_done *done)
{
	if (span_is_empty(done->user) || span_contains_byte(done->user, '\0'))
		return STATUS_INVALID;
	struct span senders = done->senders.encoded; /* as long as the door's frame at most */
	char *user = malloc(done->user.size + 1 + senders.size);
	if (user == NULL)
		return STATUS_NO_MEMORY;
	char *after_user = mempcpy(user, done->user.data, done->user.size);
	*after_user = '\0';
	if (senders.size)
		memcpy(after_user + 1, senders.data, senders.size);
	s->user = user;
	s->senders.encoded = (struct span){ after_user + 1, senders.size };
	s->senders_bind = done->senders_bind;
	stream_drop_handshake(s->stream);
	stream_expect_no_secrets(s->stream);
	s->idle_since_ms = loop_now_ms(s->gate->loop);
	s->gate->open_count--;
	s->gate->authenticated_count++;
	count_sessions(s->gate);
	return STATUS_OK;
}

/* Counts it among the user's sessions. False: they have as many as they may. */
static bool enter_user(struct session *s, struct span user)
{
	uint64_t most = s->gate->config->limits.sessions_per_user;
	uint64_t place = limits_user_of(user);
	if (most == 0)
		return true;
	if (!limits_enter_user(&s->gate->limits, place, most))
		return false;
	s->user_place = place;
	return true;
}

void auth_leave_user(struct session *s)
{
	if (s->user_place)
		limits_leave_user(&s->gate->limits, s->user_place);
	s->user_place = 0;
}

/* A temporary refusal, so that no client takes its password for a wrong one. */
static void refuse_surplus(struct session *s, struct span user)
{
	char more[LOG_PACE_TEXT];
	if (log_pace_take(&s->gate->lines.surplus, loop_now_ms(s->gate->loop), more))
		log_info(SESSION_NAME ": %.*s has %" PRIu64 " sessions already (limits.sessions_per_user)%s",
			 SESSION_NAME_ARGS(s), SPAN_ARGS(user), s->gate->config->limits.sessions_per_user, more);
	session_reach_limit(s, REFUSAL_SESSIONS,
			    SPAN("421 4.7.0 Too many sessions for this user, closing the connection"),
			    "too many sessions for this user");
}

static void grant_login(struct session *s, const struct door_sasl_done *done)
{
	if (relay_door_is_same(&s->gate->relay, s->relay_epoch)) {
		if (!enter_user(s, done->user)) {
			refuse_surplus(s, done->user);
			return;
		}
		if (take_identity(s, done) == STATUS_OK) {
			session_reply(s, done->reply);
			return;
		}
		auth_leave_user(s);
	}
	session_reply(s, UNAVAILABLE);
}

/* Only a fault of the client counts as its error. */
static void refuse_login(struct session *s, struct span text)
{
	struct reply reply;
	if (reply_read(text, &reply) != STATUS_OK || reply.code < 400)
		session_reply(s, UNAVAILABLE);
	else if (reply.code < 500)
		session_reply(s, text);
	else
		session_refuse(s, text);
}

void auth_take_verdict(struct session *s, const struct door_sasl_done *done)
{
	if (s->state != SESSION_AUTH_VERDICT)
		return;
	registry_remove(s->gate->requests, &s->request);
	session_set_state(s, SESSION_COMMAND);
	if (done->granted)
		grant_login(s, done);
	else
		refuse_login(s, done->reply);
}

void auth_lost(struct session *s)
{
	registry_remove(s->gate->requests, &s->request);
	if (s->state == SESSION_AUTH_VERDICT) {
		session_set_state(s, SESSION_COMMAND);
		session_reply(s, UNAVAILABLE);
	}
}
