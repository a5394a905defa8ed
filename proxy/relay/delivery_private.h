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
 *   COMPLETE  the whole message is here; the charge, or the upstream's word on the envelope, is waited for
 *   HANDOVER  charged; message.leaving is being written, and the message goes to the upstream, but for its final dot
 *   RELEASED  the final dot is out
 *   DOOMED    failed before a byte of the message came: the client hears `doom` with its next command
 *   DONE      the client has its answer; only callbacks, or a record that could not be queued, are waited for
 *
 * Events and turns
 *   Whatever comes (a frame, a reply, a charge, a record, an expired timer) is an event. It notes in the delivery what
 *   came and wakes it. It begins nothing, ends nothing and frees nothing, so no function finds its delivery gone under
 *   it. At the end of the loop's turn, delivery.c gives each delivery that was woken a turn of its own (take_turn),
 *   which alone decides what is next: end, ask, report, charge, hand over, release, free.
 *   Where several notes wait, the first of these counts: a refusal of ours, a client or gate that left, an attempt that
 *   is over, time.
 *
 *   The files, each calling only those below it:
 *     transaction.c   the events of the gate: envelopes, pieces of the message, aborts
 *     delivery.c      the table of deliveries, the turn, the end
 *     envelope.c      what a turn does for the recipients: may they be asked for, ask, report
 *     probing.c       how many of a user's recipients may be asked for at a time; its events
 *     attempt.c       one relay of the route; its events
 *     charge.c        the user's quota; its event
 *     outcome.c       what becomes of a message, as records and counters tell it
 *
 * Invariants
 *   1. HANDOVER and RELEASED: charge == CHARGE_GRANTED, is_judged, and the current attempt is budgeted.
 *   2. RELEASED: the current attempt's leaving == LEAVING_WRITTEN and it is held; upstream_release is called in one
 *      place.
 *   3. RELEASED is entered at most once by an attempt, and left for DONE, or for COMPLETE if the upstream
 *      refused the message for certain; an attempt that may have succeeded is the last.
 *   4. DONE: charge is not CHARGE_ASKED; it is CHARGE_GRANTED only if the message was accepted, or may have been.
 *   5. Each attempt whose leaving != LEAVING_NONE has had exactly one outcome submitted, or it is the one in `due`, or
 *      it is the current one.
 *   6. At most the last of `attempts` has an upstream; none has in DOOMED. DONE may have one only after deliveries_cut.
 *   7. In the table by gate and transaction iff state != DONE; in the list until freed.
 *   8. grant->current == this only in ENVELOPE, DATA and DOOMED.
 *   9. It moves to DONE, and is freed, only in its turn, or with all the others in deliveries_free.
 */
#ifndef RELAY_DELIVERY_PRIVATE_H
#define RELAY_DELIVERY_PRIVATE_H

#include <sys/queue.h>

#include "base/map.h"
#include "relay/answers.h"
#include "relay/delivery.h"
#include "relay/recipients.h"
#include "relay/records.h"
#include "relay/rewriting.h"
#include "relay/routes.h"
#include "smtp/body.h"

/* For MAIL and RCPTs to be answered, by all relays of the route together; impatient clients wait a minute. */
#define ENVELOPE_LIMIT_MS 50000
/* From the client's dot to its answer, all relays together; a longer reply_timeout counts from our own dot. */
#define DOT_LIMIT_MS 50000
/* Part of it is for the reply to our final dot: a dot without time for that would turn a failure into an unknown. */
#define VERDICT_MS 10000
#define SHARE_LEAST_MS 5000          /* of it for each upstream */
#define SILENCE_SLACK_MS 30000       /* the gate's own time limits come first */
#define RECORD_RETRY_MS 1000         /* until an outcome that the audit could not take is tried again */
#define DELIVERY_MEMORY (8U << 20)   /* bytes: 1,000 recipients, and their replies from a few relays */
#define HEADER_ALLOWANCE (16U << 10) /* bytes the gate may add to a message of the largest size */
#define ALIKE_MAXIMUM (32U << 10)    /* bytes of a record that are kept for the next: 200 recipients */
#define TOKEN_SIZE 48                /* bytes, the NUL included: message id, dash, 16 hexadecimal digits */
#define TOKEN_RANDOM 8               /* bytes of a token that nobody can know before */
#define TOKENS_AHEAD 64              /* whose random bytes are drawn at once: a draw takes as long as a system call */

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

/* How an attempt ended: by the upstream's word, or by what we saw. Texts are in the delivery's arena, or constant. */
struct attempt_end {
	enum upstream_class class;
	struct span reply, reason, host, digest;
	bool dot_released;
};

/* One relay of the route being tried. */
struct attempt {
	struct delivery *delivery;
	size_t relay;                      /* index into config->relay */
	unsigned number;                   /* 1, 2, … */
	struct upstream_attempt *upstream; /* NULL before and after */
	enum leaving leaving;
	bool held;
	bool released;
	bool recorded;               /* its outcome is submitted, or due */
	bool unable;                 /* the upstream lacks what the message needs */
	bool budgeted;               /* its account may send it */
	bool is_redirected;          /* it was asked for one mailbox, whoever the recipients are */
	struct span redirect_reply;  /* what it said of that, in the delivery's arena; empty: nothing yet */
	struct span mailbox;         /* the sender's own, in the delivery's arena; empty: the upstream's account */
	struct rewriting *rewriting; /* under way, or NULL */
	struct spool_message *copy;  /* what the upstream gets instead of the delivery's message; or NULL */
	int64_t growth;              /* of the copy against it, in bytes */
	struct budget_claim claim;
	struct buf alike; /* what its records have in common, if that is not too much; see audit_event */
	uint64_t released_ms;
	bool is_over; /* a note: `end` is to be acted upon */
	struct attempt_end end;
};

/* A refusal of ours: what the client hears, how it is counted, how it is recorded. */
struct refusal {
	struct span reply;
	enum stats_refusal counter;
	struct span reason;
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
	struct span mail_from, helo, header_from, message_id, header_noted;
	struct span ret, envid; /* of MAIL; empty where not given */
	bool eight_bit, smtputf8, foreign_sender;
	size_t foreign_recipient; /* the number, from 1, of the first that its user's rule only notes; 0: none */
	bool refused_recipient;   /* a rule refused one */
	uint64_t declared_size;
	struct recipients recipients;

	struct spool_message *message;
	struct body_check check;
	char token[TOKEN_SIZE];
	enum charge charge;
	bool is_charged_locally; /* by what was lent before Redis went away */
	uint64_t local_recipients, local_lease;
	struct audit_quota quota; /* as the charge left it */
	bool is_judged;           /* by its user's habits, and good; or nobody judges */

	struct route route;
	struct attempt *attempts[ROUTE_MAXIMUM]; /* in the arena */
	size_t attempt_count;                    /* the last one is the current */

	/* Notes: what came since its last turn. */
	TAILQ_ENTRY(delivery) in_awake;
	bool is_awake;
	struct refusal refusal;  /* it is to end with this; set iff there is a reply */
	bool is_left;            /* its session or gate is gone, or gave it up */
	bool is_told_doom;       /* DOOMED: the gate sent what can be answered with it */
	bool is_late;            /* its timer has expired */
	bool has_new_recipients; /* that nobody has judged */
	bool has_news;           /* of recipients: new ones, replies, counts, room to ask for more */

	struct timer *timer;  /* by state: silence of the gate, the client's patience, the next try of a record */
	uint64_t asked_ms;    /* when the client began to wait for replies to recipients */
	uint64_t complete_ms; /* when it sent its dot, and began to wait for the reply; 0: not yet */
	unsigned callbacks;   /* of quota and audit that will come */
	bool is_counting;     /* refusals are counted before the client hears of them */
	bool waits;           /* it is in its user's list of those that may not ask an upstream yet */
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
	struct turn_end turn;
	TAILQ_HEAD(deliveries_awake, delivery) awake; /* in the order they were woken */
	unsigned char random[TOKENS_AHEAD][TOKEN_RANDOM];
	size_t random_left; /* of those, from the first on */
};

/* ---- what all of them use */

/* The current one, or NULL. */
static inline struct attempt *delivery_attempt(struct delivery *delivery)
{
	return delivery->attempt_count ? delivery->attempts[delivery->attempt_count - 1] : NULL;
}

/* The configuration's relay that it tries. */
static inline const struct config_relay *attempt_section(const struct attempt *attempt)
{
	return &attempt->delivery->all->services->config->relay.items[attempt->relay];
}

/* When its own time for what it waits for is over: with an upstream's verdict still to come, or not. */
static inline uint64_t delivery_deadline_ms(const struct delivery *delivery)
{
	if (delivery->complete_ms == 0)
		return delivery->asked_ms + ENVELOPE_LIMIT_MS;
	return delivery->complete_ms + DOT_LIMIT_MS - VERDICT_MS;
}

/* It is given its turn at the end of the loop's, before what is written in this turn is flushed. */
static inline void delivery_wake(struct delivery *delivery)
{
	struct deliveries *all = delivery->all;
	if (!delivery->is_awake)
		TAILQ_INSERT_TAIL(&all->awake, delivery, in_awake);
	delivery->is_awake = true;
	loop_first_at_turn_end(all->services->loop, &all->turn);
}

/* There is news of its recipients. */
static inline void delivery_wake_with_news(struct delivery *delivery)
{
	delivery->has_news = true;
	delivery_wake(delivery);
}

/* Notes a refusal of ours; the first one stands. */
static inline void delivery_refuse(struct delivery *delivery, const struct refusal *refusal)
{
	if (span_is_empty(delivery->refusal.reply))
		delivery->refusal = *refusal;
	delivery_wake(delivery);
}

/* Whether the gate has heard, or will hear with this turn, that the transaction is over. */
static inline bool delivery_is_refused(const struct delivery *delivery)
{
	return !span_is_empty(delivery->refusal.reply);
}

/* ---- delivery.c */

/* Or NULL; one whose session has left it is not found. */
struct delivery *deliveries_find(const struct deliveries *deliveries, uint32_t gate, uint64_t transaction);
/* A new one in DELIVERY_ENVELOPE, the grant's current; NULL out of memory. */
struct delivery *deliveries_open(struct deliveries *deliveries, struct delivery_gate *gate, struct grant *grant,
				 uint64_t transaction);
/* ENVELOPE, DATA or DOOMED: it ends with its session. */
bool delivery_is_sessions(const struct delivery *delivery);
void delivery_set_state(struct delivery *delivery, enum delivery_state state);
void delivery_touch(struct delivery *delivery); /* the gate spoke: its silence counts from now */

/* ---- envelope.c */

/* Asks an upstream for the recipients that are new, as far as the user may. False: there is none left to ask. */
bool envelope_ask(struct delivery *delivery);
/* Sends every ENVELOPE_REPLY that is due. */
void envelope_report(struct delivery *delivery);

/* ---- probing.c */

/*
 * Whether some of its new recipients may be asked for now. False: they wait, and it is woken when they may; or all of
 * them were refused.
 */
bool probing_admit(struct delivery *delivery);
/* Some are asked for, or the client heard of some: those that waited for that are woken. */
void probing_recount(struct delivery *delivery);
/* It asks for nobody any more. */
void probing_leave(struct delivery *delivery);
/* True when the next report has to wait until the refusals in it are counted. */
bool probing_holds_report(struct delivery *delivery);

/* ---- attempt.c */

/* Tries the next relays of the route until one takes the attempt. False: there is none left. */
bool attempt_begin_next(struct delivery *delivery);
/* Asks the current relay for the recipients that are new. */
void attempt_ask_more(struct attempt *attempt);
/*
 * Takes one message off the account's budget and makes the copy that the upstream wants; then has message.leaving
 * written and sends the message, but for its final dot. False: not yet, or not at all, as is noted.
 */
bool attempt_hand_over(struct attempt *attempt);
/* The final dot; the only place. */
void attempt_release(struct attempt *attempt);
/* Notes that the upstream may have it or not, as nobody waits for its verdict any more. */
void attempt_cut(struct attempt *attempt);
/* Lets go of the upstream, unless the final dot is out. */
void attempt_drop(struct attempt *attempt);

/* ---- charge.c */

/* Asks for the charge, once a message. */
void charge_ask(struct delivery *delivery);
/* Gives the charge back, if there is one, and only once. */
void charge_refund(struct delivery *delivery);
/* The charge is final: the message was accepted, or may have been. */
void charge_settle(struct delivery *delivery);
/* What the client hears of a quota that is used up. */
struct refusal charge_explain(struct delivery *delivery, enum quota_verdict verdict, const struct quota_state *state);
/* Records quota.exceeded, once a day and user. */
void charge_note_exceeded(struct delivery *delivery, const struct quota_state *state);

/* ---- outcome.c */

/* What an attempt's end makes of the message. */
enum fate {
	FATE_FAILED = 0, /* the upstream can't, or won't for reasons that are not the message's: the next one may */
	FATE_REFUSED,    /* the message, for certain */
	FATE_SENT,
	FATE_UNKNOWN,
};

enum fate outcome_judge(const struct attempt *attempt);
/* Counts and records it, once an attempt. False: the record waits for the audit, and the message must end now. */
bool outcome_enter(struct attempt *attempt, enum fate fate);
/* What the client hears, if this was the last upstream; it may be in `room`. */
struct span outcome_answer(const struct attempt *attempt, enum fate fate, struct buf *room);
/* Counts and records that we give the message up: message.refused if it has never begun to leave. */
void outcome_enter_refusal(struct delivery *delivery, const struct refusal *refusal);
/* Tries the outcome that is due once more. */
void outcome_retry(struct delivery *delivery);
/* Has message.leaving written. */
MUST_USE enum status outcome_record_leaving(struct attempt *attempt, audit_callback *callback, void *context);

/* Whether this user may have one more message.refused, of about `size` bytes; else it is left out, and counted. */
MUST_USE bool refusal_has_ration(struct services *services, struct grant *grant, size_t size);
/* Records message.refused; false where that is beyond the user's ration. */
bool refusal_record(struct delivery *delivery, const struct refusal *refusal);
/* Records, logs and counts it. */
void refusal_note(struct delivery *delivery, const struct refusal *refusal);

#endif
