/*
 * Deliveries: each message on its way from its ENVELOPE to its MESSAGE_REPLY.
 * This is where a message may leave, or may not: promises 1, 3, 4 and 5 are
 * kept here (delivery_private.h has the states and what holds in each).
 *
 * A message belongs to a session until it is complete; then it goes to its end
 * whatever becomes of the session and the gate, and only its reply is dropped.
 */
#ifndef RELAY_DELIVERY_H
#define RELAY_DELIVERY_H

#include "door/messages.h"
#include "relay/grants.h"
#include "relay/services.h"

/* The gate that the answers go to; embedded in the gate's door, which calls deliveries_gate_closed before it goes. */
struct delivery_gate {
	uint32_t instance;
	void (*send_envelope_reply)(struct delivery_gate *gate, const struct door_envelope_reply *reply);
	void (*send_message_reply)(struct delivery_gate *gate, const struct door_message_reply *reply);
};

struct deliveries;

MUST_USE enum status deliveries_create(struct services *services, struct deliveries **out_deliveries);
/* At the end of the process, after deliveries_cut and the pools' end: memory only, no record and no answer. */
void deliveries_free(struct deliveries **deliveries);
size_t deliveries_count(const struct deliveries *deliveries); /* those that still have something to do */

/*
 * One ENVELOPE of a session that has a grant. Every recipient is answered, in
 * this or a later turn. STATUS_INVALID: no honest gate says this; close its door.
 */
MUST_USE enum status deliveries_take_envelope(struct deliveries *deliveries, struct delivery_gate *gate,
					      struct grant *grant, const struct door_envelope *envelope);
/*
 * One MESSAGE_DATA. Pieces of a transaction that is over already are dropped. STATUS_INVALID, as no honest gate
 * does that: the message is complete already, or the gate did not wait for the replies to its recipients.
 */
MUST_USE enum status deliveries_take_data(struct deliveries *deliveries, const struct delivery_gate *gate,
					  const struct door_message_data *data);
/* TRANSACTION_ABORTED; `grant` is the session's, or NULL. One that is complete goes on. */
void deliveries_abort(struct deliveries *deliveries, const struct delivery_gate *gate, struct grant *grant,
		      const struct door_transaction_aborted *message);
/* The session is over, and so is its transaction, unless it is complete. Before the grant is dropped. */
void deliveries_end_session(struct grant *grant);
/* Its right was rechecked: a transaction that waits for that goes on. */
void deliveries_rechecked(struct grant *grant);
/* Nobody is left to answer for deliveries of this gate. Its grants are dropped first. */
void deliveries_gate_closed(struct deliveries *deliveries, const struct delivery_gate *gate);
/*
 * Time is up: gives up what has not left, with a refund and 451, and records as unknown what waits for the reply to its
 * final dot. At once, as no other turn of the loop may come.
 */
void deliveries_cut(struct deliveries *deliveries);

#endif
