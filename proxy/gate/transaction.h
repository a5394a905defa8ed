/*
 * A mail transaction, from an accepted MAIL to its outcome: the envelope, sent to the relay in batches of pipelined
 * recipients. Lives in the session's arena, which is reset when it ends.
 */
#ifndef GATE_TRANSACTION_H
#define GATE_TRANSACTION_H

#include "gate/session.h"
#include "smtp/parameters.h"

struct door_envelope_reply;
struct intake;

/*
 * Invariants: registered iff `known`; each recipient that the relay was asked about holds one waiting reply of the
 * session until its answer is there.
 */
struct transaction {
	uint64_t number;
	struct registration registration;
	bool known;                 /* the relay has seen it */
	struct span mail_from;      /* without brackets; empty for <> */
	struct span parameters;     /* "BODY=8BITMIME SIZE=1234 RET=HDRS", as passed on */
	uint64_t size;              /* declared; 0: unknown */
	bool smtputf8;              /* addresses and header may hold UTF-8 */
	struct span id;             /* the message's, by the relay; empty before its first answer */
	size_t accepted;            /* recipients that the upstream took */
	size_t asked;               /* RCPT commands that were not malformed */
	size_t malformed;           /* and those that were */
	bool data_refused;          /* the client has heard that nobody would get its message */
	size_t batch;               /* recipients gathered and not sent */
	struct buf recipients;      /* of the batch, an encoded list */
	struct buf rcpt_parameters; /* one for each of them */
	struct span refusal;        /* the relay gave up before DATA: all commands to come get this reply */
	struct intake *intake;      /* from DATA on */
	struct buf bytes;           /* of the message, in wire form: scanned and not sent on yet (intake.c) */
};

/* MAIL was accepted. STATUS_NO_MEMORY: no transaction. */
MUST_USE enum status transaction_begin(struct session *s, struct span mail_from,
				       const struct mail_parameters *parameters);
/*
 * One more recipient for the batch, which is sent first where it is full; its reply comes later. STATUS_NO_MEMORY: it
 * is not in the batch.
 */
MUST_USE enum status transaction_add_recipient(struct session *s, struct span address,
					       const struct rcpt_parameters *parameters);
/* Sends the batch, if there is one. */
void transaction_send_batch(struct session *s);
/* Recipients that count against recipients_per_message: accepted, asked about, or gathered. */
size_t transaction_recipient_count(const struct session *s);

/* The relay's answer to a batch. STATUS_INVALID: more replies than were waited for, and nothing has happened. */
MUST_USE enum status transaction_take_replies(struct session *s, const struct door_envelope_reply *message);

/* The relay gives up before DATA, with this reply for all that is still to come. */
void transaction_take_refusal(struct session *s, struct span reply);

/* Why its message can't begin: no recipient was named, or none is valid. NULL: it can. */
const char *transaction_refuse_message(const struct session *s);
/* The client heard that. It is an error only where it should have known: it named nobody, or asks again. */
void transaction_count_refused_message(struct session *s);

/* Forgets it. Does nothing without one. */
void transaction_end(struct session *s);
/*
 * Tells the relay that it is over, with a reply and a reason for the audit where we refused it, and forgets it. Does
 * nothing without one.
 */
void transaction_abort(struct session *s, struct span reply, struct span reason);
/* The same, but keeps it for a client that is still sending its message. */
void transaction_disown(struct session *s, struct span reply, struct span reason);
/* The relay is lost: the recipients that wait are answered with 451. */
void transaction_lost(struct session *s);

#endif
