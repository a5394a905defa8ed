/*
 * One delivery from inside: its states, and what holds in each.
 *
 *   ENVELOPE ──▶ DATA ──▶ COMPLETE ──▶ HANDOVER ──▶ RELEASED ──▶ DONE
 *      │                     ▲            │            │           ▲
 *      ▼                     └─next relay─┴────────────┘           │
 *   DOOMED                                  each of the others ────┘
 *
 *   ENVELOPE  recipients are asked for and answered; no byte of the message is here
 *   DATA      pieces of the message go into the spool
 *   COMPLETE  the whole message is here; the charge, or the relay's word on the envelope, is waited for
 *   HANDOVER  charged; the record message.leaving is being written and the message goes to the relay, but for its final dot
 *   RELEASED  the final dot is out
 *   DOOMED    failed before a byte of the message came: the client hears `doom` with his next command
 *   DONE      the client has his answer; only callbacks, or a record that could not be queued, are waited for
 *
 * Invariants
 *   1. HANDOVER and RELEASED: charge == CHARGE_GRANTED, and the current attempt is budgeted.
 *   2. RELEASED: the current attempt's leaving == LEAVING_WRITTEN and it is held; upstream_release is called in one place.
 *   3. RELEASED is entered at most once by an attempt, and left for DONE, or for COMPLETE if the relay
 *      refused the message for certain; an attempt that may have succeeded is the last.
 *   4. DONE: charge is not CHARGE_ASKED; it is CHARGE_GRANTED only if the message was accepted, or may have been.
 *   5. Each attempt whose leaving != LEAVING_NONE has had exactly one outcome submitted, or it is the one in `due`, or it is the current one.
 *   6. At most the last of `attempts` has an upstream; none has in DOOMED. DONE may have one only after deliveries_cut.
 *   7. In the table by gate and transaction iff state != DONE; in the list until freed.
 *   8. grant->current == this only in ENVELOPE, DATA and DOOMED.
 */
#ifndef RELAY_DELIVERY_PRIVATE_H
#define RELAY_DELIVERY_PRIVATE_H

#include "base/map.h"
#include "relay/answers.h"
#include "relay/delivery.h"
#include "relay/recipients.h"
#include "relay/records.h"
#include "relay/rewriting.h"
#include "relay/routes.h"
#include "smtp/body.h"

#define ENVELOPE_LIMIT_MS \
	50000 /* for MAIL and RCPTs to be answered, by all relays of the route together; impatient clients wait a minute */
#define DOT_LIMIT_MS \
	50000 /* from the client's dot to its answer, all relays together; a reply_timeout beyond it holds from our own dot */
#define VERDICT_MS \
	10000 /* of it for the reply to our final dot: one without time for it would make an unknown of a failure */
#define SHARE_LEAST_MS 5000          /* of it for each relay */
#define SILENCE_SLACK_MS 30000       /* the gate's own time limits come first */
#define RECORD_RETRY_MS 1000         /* until an outcome that the audit could not take is tried again */
#define DELIVERY_MEMORY (8U << 20)   /* bytes: 1,000 recipients, and their replies from a few relays */
#define HEADER_ALLOWANCE (16U << 10) /* bytes the gate may add to a message of the largest size */
#define TOKEN_SIZE 48                /* bytes, the NUL included: message id, dash, 16 hexadecimal digits */

enum delivery_state {
	DELIVERY_ENVELOPE,
	DELIVERY_DATA,
	DELIVERY_COMPLETE,
	DELIVERY_HANDOVER,
	DELIVERY_RELEASED,
	DELIVERY_DOOMED,
	DELIVERY_DONE,
};

enum charge {
	CHARGE_NONE,
	CHARGE_ASKED,
	CHARGE_GRANTED,
	CHARGE_REFUSED,  /* over quota, or Redis is away: nothing was taken */
	CHARGE_REFUNDED, /* given back, once */
};

enum leaving {
	LEAVING_NONE,
	LEAVING_SUBMITTED,
	LEAVING_WRITTEN,
	LEAVING_FAILED,
};

/* One relay of the route being tried. */
struct attempt {
	struct delivery *delivery;
	size_t relay;              /* index into config->relay */
	unsigned number;           /* 1, 2, … */
	struct upstream *upstream; /* NULL before and after */
	enum leaving leaving;
	bool held;
	bool released;
	bool recorded;               /* its outcome is submitted, or due */
	bool unable;                 /* the relay has not what the message needs */
	bool budgeted;               /* its account may send it */
	struct span mailbox;         /* the sender\'s own, in the delivery\'s arena; empty: the relay\'s account */
	struct rewriting *rewriting; /* under way, or NULL */
	struct spool_message *copy;  /* what the relay gets instead of the delivery's message; or NULL */
	int64_t growth;              /* of the copy against it, in bytes */
	struct budget_claim claim;
	uint64_t released_ms;
};

/* An outcome: what it is recorded as, and why. Texts live in the delivery's arena once it is `due`. */
struct outcome {
	enum audit_type type;
	struct span response, reason, host;
};

struct delivery {
	struct map_link link;
	struct delivery *older, *newer;
	struct deliveries *all;
	struct delivery_gate *gate; /* NULL once it is gone */
	uint32_t gate_instance;
	uint64_t transaction;
	enum delivery_state state;

	struct grant *grant; /* held */
	struct user *user;   /* counted in its transactions; NULL until admitted */
	char id[MESSAGE_ID_SIZE];
	struct arena arena; /* holds the texts below */
	struct span mail_from, helo, header_from, message_id;
	struct span ret, envid; /* of MAIL; empty where not given */
	bool eight_bit, smtputf8, foreign_sender;
	bool is_lost; /* there was no memory for its replies: it ends in the next turn, as the gate waits for them */
	uint64_t declared_size;
	struct recipients recipients;

	struct spool_message *message;
	struct body_check check;
	char token[TOKEN_SIZE];
	enum charge charge;
	struct audit_quota quota; /* as the charge left it */

	struct route route;
	struct attempt attempts[ROUTE_MAXIMUM];
	size_t attempt_count; /* the last one is the current */

	struct timer *timer;  /* by state: silence of the gate, the client's patience, the next try of a record */
	uint64_t asked_ms;    /* the client waits for replies to recipients since then */
	uint64_t complete_ms; /* and for that to his dot since then; 0: he has not said it */
	unsigned callbacks;   /* of quota and audit that will come */
	bool is_counting;     /* refusals are counted before the client hears of them */
	bool waits;           /* it stands in its user's list of those that may not ask a relay yet */
	struct delivery *next_waiting;
	size_t in_flight; /* its part of its user's */
	struct span doom; /* what the client is to hear */
	bool refusal_recorded;
	bool is_due; /* an outcome that could not be queued yet */
	struct attempt *due_attempt;
	struct outcome due;
};

struct deliveries {
	struct services *services;
	struct map map; /* by gate instance and transaction */
	struct delivery *oldest, *newest;
	size_t count;
};

/* A refusal of ours: what the client hears, how it is counted, how it is recorded. */
struct refusal {
	struct span reply;
	enum stats_refusal counter;
	struct span reason;
};

/* ---- delivery.c */
struct delivery *deliveries_find(const struct deliveries *deliveries, uint32_t gate,
				 uint64_t transaction); /* or NULL */
/* A new one in DELIVERY_ENVELOPE, the grant's current; NULL out of memory. */
struct delivery *deliveries_open(struct deliveries *deliveries, struct delivery_gate *gate, struct grant *grant,
				 uint64_t transaction);
void delivery_set_state(struct delivery *delivery, enum delivery_state state);
void delivery_touch(struct delivery *delivery);              /* the gate spoke: its silence counts from now */
struct attempt *delivery_attempt(struct delivery *delivery); /* the current one, or NULL */
/* What is waited for may have come: charges, hands over, or releases the final dot. */
void delivery_advance(struct delivery *delivery);
/* Gives the charge back, if there is one, and only once. */
void delivery_refund(struct delivery *delivery);
/* Over: the client hears `reply` (empty: nothing), and all that it holds is let go. */
void delivery_end(struct delivery *delivery, struct span reply);
/* Failed before the message was complete: ends it, or keeps the reply until the client can hear it. */
void delivery_doom(struct delivery *delivery, struct span reply);
/* For entry points, as the last thing they do. */
void delivery_free_if_over(struct delivery *delivery);

/* ---- probing.c */
/* Whether its new recipients may be asked for now. False: they wait, or all of them were refused; it is called again by delivery_ask. */
bool probing_admit(struct delivery *delivery);
/* Some are asked for, or the client heard of some: those that waited for that go on. */
void probing_recount(struct delivery *delivery);
/* It asks for nobody any more. */
void probing_leave(struct delivery *delivery);
/* True when the next report has to wait until the refusals in it are counted. */
bool probing_holds_report(struct delivery *delivery);

/* ---- envelope.c */
/* Asks a relay for the recipients that are new, as soon as the user may. */
void delivery_ask(struct delivery *delivery);
void delivery_report(struct delivery *delivery); /* sends every ENVELOPE_REPLY that is due */

/* ---- message.c */
/* Asks for the charge, once a message. */
void message_charge(struct delivery *delivery);
struct refusal message_quota_refusal(struct delivery *delivery, enum quota_verdict verdict,
				     const struct quota_state *state);
/* Records quota.exceeded, once a day and user. */
void message_note_exceeded(struct delivery *delivery, const struct quota_state *state);

/* ---- refusal.c */
/* The message as its records show it. */
struct record_message refusal_describe(const struct delivery *delivery);
/* Whether this user may have one more record message.refused, of about `size` bytes; else it is left out, and counted. */
MUST_USE bool refusal_has_ration(struct services *services, struct grant *grant, size_t size);
/* Records message.refused; false where that is beyond the user's ration. */
bool refusal_record(struct delivery *delivery, const struct refusal *refusal);
/* Records, logs and counts it. */
void refusal_note(struct delivery *delivery, const struct refusal *refusal);
/* Notes it, refunds, and ends the delivery with its reply. Nothing of the message has left. */
void refusal_end(struct delivery *delivery, const struct refusal *refusal);

/* ---- attempt.c */
/* Tries the next relays of the route until one takes the attempt. False: there is none left. */
bool attempt_begin_next(struct delivery *delivery);
/* Asks the current relay for the recipients that are new. */
void attempt_ask_more(struct attempt *attempt);
/* Takes one message off the account's budget first; what it has not, the next relay may have. */
void attempt_hand_over(struct attempt *attempt);
/* The address that the relay takes mail of, where it takes no other; else empty. */
struct span attempt_sent_as(const struct attempt *attempt);
void attempt_release(struct attempt *attempt); /* the final dot; the only place */
/* When the delivery's own time for what it waits for is over: with a relay's verdict still to come, or not. */
uint64_t attempt_deadline_ms(const struct delivery *delivery);
/* Lets go of the upstream, unless the final dot is out. */
void attempt_drop(struct attempt *attempt);

/* ---- outcome.c */
/* The relay is through with the attempt: decides what becomes of the message. */
void outcome_decide(struct attempt *attempt, const struct upstream_outcome *upstream);
/* The attempt failed by what we saw ourselves. */
void outcome_trouble(struct attempt *attempt, enum upstream_class class, struct span reason);
/* Gives a complete message up before its final dot: recorded, refunded, ended. */
void outcome_give_up(struct delivery *delivery, const struct refusal *refusal);
/* Stops waiting for the reply to the final dot: unknown. */
void outcome_cut_short(struct delivery *delivery);
/* Tries the outcome that is due once more. */
void outcome_retry(struct delivery *delivery);

#endif
