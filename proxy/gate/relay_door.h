/*
 * The gate's end of the relay door (door/relay.def): recipients, messages and the audit of sessions. Hides the frames
 * from the commands. Grants live in the relay, so each door has an epoch: sessions granted in another one are over.
 * Without a door everything is refused for now.
 */
#ifndef GATE_RELAY_DOOR_H
#define GATE_RELAY_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "door/ring.h"

struct door;
struct gate;
struct session;
struct door_envelope;
struct door_envelope_reply;
struct door_message_data;
struct door_session_refused;
struct door_sessions_anonymous;
struct door_transaction_aborted;

/* What the relay's answers lead to. They name a session that still waits for one; a late answer finds none here. */
struct relay_answer_handler {
	/* Its answer to a batch, or to a message. STATUS_INVALID: no honest relay says that, and the door is lost. */
	enum status (*on_envelope_reply)(struct session *s, const struct door_envelope_reply *message);
	enum status (*on_message_reply)(struct session *s, struct span reply);
	void (*on_session_ended)(struct gate *gate, uint64_t session); /* its right to send; it may be gone */
	void (*on_room)(struct gate *gate);                            /* the door was full, and is not any more */
	void (*on_lost)(struct gate *gate);                            /* it is gone */
};

struct relay_door {
	struct gate *gate;
	const struct relay_answer_handler *handler;
	struct door *door;       /* NULL: none */
	struct ring_writer ring; /* the door's, once the relay has given one */
	uint64_t epoch;          /* 1, 2, …: which door this is; 0 before the first */
	uint32_t instance;       /* of the relay role at its other end */
};

/* Without a door, for now. */
void relay_door_begin(struct relay_door *relay, struct gate *gate, const struct relay_answer_handler *handler);
/* Takes over `fd`; replaces the door before it, as if that were lost. */
void relay_door_attach(struct relay_door *relay, uint32_t instance, int fd);
void relay_door_end(struct relay_door *relay);

/* True when a door is open, and is the one of that epoch. */
bool relay_door_is_same(const struct relay_door *relay, uint64_t epoch);
/* True when so much is unsent that bulk has to wait; the session then stays in gate->paced until there is room. */
bool relay_door_is_full(const struct relay_door *relay);

/* For the audit; nothing without a door. */
void relay_door_session_opened(struct session *s);
/* STATUS_UNAVAILABLE: it is not told. */
MUST_USE enum status relay_door_session_refused(struct relay_door *relay, const struct door_session_refused *message);
MUST_USE enum status relay_door_sessions_anonymous(struct relay_door *relay,
						   const struct door_sessions_anonymous *message);
void relay_door_session_closed(struct session *s);
void relay_door_aborted(struct relay_door *relay, const struct door_transaction_aborted *message);

/* STATUS_UNAVAILABLE: no door, or it just broke. */
MUST_USE enum status relay_door_envelope(struct relay_door *relay, const struct door_envelope *message);
MUST_USE enum status relay_door_data(struct relay_door *relay, const struct door_message_data *message);

#endif
