/*
 * The data phase: the message of a transaction on its way to the relay, by DATA or in chunks by BDAT.
 *
 * First its header is gathered (at most HEADER_MAXIMUM) and judged: whose From: it is, and whether it loops. Then the
 * added fields, the header and the rest go to the relay in pieces, paced by the door. A message that is refused is read
 * to its end, as SMTP demands, and thrown away.
 *
 * Lines of any length pass as they are (RFC 5321, 4.5.3.1.6 asks for 1,000 octets at least): cutting one would change
 * the message, and the client hears what the upstream says about it.
 */
#ifndef GATE_INTAKE_H
#define GATE_INTAKE_H

#include "gate/session.h"

/* DATA or the first BDAT was accepted. STATUS_NO_MEMORY: nothing has begun. */
MUST_USE enum status intake_begin(struct session *s);
/* No more of it has come in: that is waited for, unless the client is gone. */
enum step intake_wait(struct session *s);
/* SESSION_DATA: one piece of input. */
enum step intake_step(struct session *s);

/* The most of a chunk to be given at once. */
#define INTAKE_OCTETS_MAXIMUM (32U << 10)
/* BDAT announces this many octets: a message that they make too large is refused before they come. */
void intake_expect_octets(struct session *s, uint64_t size);
/* SESSION_CHUNK: some octets; dropped when the message is refused. May end the session. */
void intake_take_octets(struct session *s, struct span octets);
/* The chunk is complete, and is answered: a refusal ends the transaction, the last chunk the message. */
void intake_end_chunk(struct session *s, bool is_last);
/* True when nothing of it goes to the relay any more. */
bool intake_is_refused(const struct session *s);

/*
 * The relay's outcome, or an early refusal. STATUS_INVALID: a success before there was a whole message; nothing has
 * happened then.
 */
MUST_USE enum status intake_take_reply(struct session *s, struct span reply);
/* The relay is lost, or silent: the client hears that the outcome is not known, or at the end that nothing was sent. */
void intake_lost(struct session *s);

#endif
