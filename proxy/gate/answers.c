/*
 * Answers of the doors: each is noted by the unit that asked for it, and then the session is driven. Driving one may
 * free it, so where many are driven the next one is looked up before. Owns nothing.
 */
#include "gate/answers.h"

#include "gate/cmd_auth.h"
#include "gate/intake.h"
#include "gate/session_life.h"
#include "gate/transaction.h"

/* ---- the auth role */

static void take_challenge(struct session *s, struct span challenge)
{
	auth_take_challenge(s, challenge);
	session_drive(s);
}

static void take_verdict(struct session *s, const struct door_sasl_done *done)
{
	auth_take_verdict(s, done);
	session_drive(s);
}

static void lose_exchanges(struct gate *gate)
{
	for (struct session *s = TAILQ_FIRST(&gate->sessions), *next; s; s = next) {
		next = TAILQ_NEXT(s, in_gate);
		if (s->request.id == 0)
			continue;
		auth_lost(s);
		session_drive(s);
	}
}

const struct auth_answer_handler answers_of_auth = {
	.on_challenge = take_challenge,
	.on_done = take_verdict,
	.on_lost = lose_exchanges,
};

/* ---- the relay role */

static enum status take_envelope_reply(struct session *s, const struct door_envelope_reply *message)
{
	TRY(transaction_take_replies(s, message));
	session_drive(s);
	return STATUS_OK;
}

static enum status take_message_reply(struct session *s, struct span reply)
{
	TRY(intake_take_reply(s, reply));
	session_drive(s);
	return STATUS_OK;
}

static void end_session(struct gate *gate, uint64_t number)
{
	struct session *s = TAILQ_FIRST(&gate->sessions);
	while (s && s->number != number)
		s = TAILQ_NEXT(s, in_gate);
	if (s)
		session_on_ended(s);
}

/* In turn, until the door is full again; a session that needs more room queues up anew. */
static void give_room(struct gate *gate)
{
	struct session *s;
	while (!relay_door_is_full(&gate->relay) && (s = TAILQ_FIRST(&gate->paced)) != NULL) {
		session_leave_paced(s);
		session_drive(s);
	}
}

/* What waits for the relay is answered. Whoever waited for room in the door goes on, under their own clocks. */
static void lose_relay(struct gate *gate)
{
	for (struct session *s = TAILQ_FIRST(&gate->sessions), *next; s; s = next) {
		next = TAILQ_NEXT(s, in_gate);
		session_leave_paced(s);
		if (s->transaction && s->transaction->intake)
			intake_lost(s);
		else
			transaction_lost(s);
		session_drive(s);
	}
}

const struct relay_answer_handler answers_of_relay = {
	.on_envelope_reply = take_envelope_reply,
	.on_message_reply = take_message_reply,
	.on_session_ended = end_session,
	.on_room = give_room,
	.on_lost = lose_relay,
};
