/*
 * The recipients of one message, and what became of each: here and at the
 * upstream that is being tried.
 *
 * They come in batches, one an ENVELOPE; the client hears a batch as a whole,
 * in order. What it has heard stands: a recipient answered with 250 must be
 * accepted by whichever relay gets the message in the end (promise 3).
 */
#ifndef RELAY_RECIPIENTS_H
#define RELAY_RECIPIENTS_H

#include "base/arena.h"
#include "door/codec.h"
#include "relay/upstream/upstream.h"

/* Bytes of one recipient's reply that are kept: 1,000 of them fit into a frame. */
#define RECIPIENT_REPLY_MAXIMUM 900

struct recipient {
	struct span address, parameters;
	struct span reply; /* text form; empty while not known */
	uint32_t batch;
	bool accepted;          /* the reply is a 2xx of an upstream */
	bool reported;          /* the client heard it */
	bool refused;           /* an upstream refused it for what it is: that tells which addresses there are */
	bool counting, counted; /* among its user's refused recipients: being, or done */
	bool hidden;            /* beyond their limit: the reply says no more than that, whatever an upstream says */
};

/*
 * Invariants: the reported ones come first; asked[0..asked_count) are the
 * recipients given to the current attempt, in order, and the first `answered`
 * of them have its reply.
 */
struct recipients {
	struct arena *arena; /* borrowed; holds the texts */
	struct recipient *items;
	size_t count, capacity;
	size_t reported;
	size_t released; /* those before this one may be asked for */
	uint32_t batches;
	size_t *asked;
	size_t asked_count, answered;
	bool promise_broken; /* an upstream refused one that the client heard to be accepted */
};

void recipients_init(struct recipients *recipients, struct arena *arena);
void recipients_free(struct recipients *recipients);

/* Begins a batch; recipients_add fills it. */
void recipients_begin_batch(struct recipients *recipients);
/* Adds one, copied. `refusal`: our own reply, if it is not to be asked for; else empty. */
MUST_USE enum status recipients_add(struct recipients *recipients, struct span address, struct span parameters,
				    struct span refusal);
/* Answers all that have no reply yet. `reply` must live as long as the arena. */
void recipients_refuse_rest(struct recipients *recipients, struct span reply);

/* As recipients_refuse_rest, but those that an upstream is asked for wait for its word. */
void recipients_refuse_new(struct recipients *recipients, struct span reply);

/* How many are new: not answered, and not asked for. */
size_t recipients_unasked(const struct recipients *recipients);
/* This many more of those may be asked for. */
void recipients_release(struct recipients *recipients, size_t more);
/* How many may yet turn out to be refused, or have and are not counted. */
size_t recipients_in_flight(const struct recipients *recipients);

/*
 * How many in the batch that is to be reported next were refused and are not counted yet; 0 while it is not answered,
 * unless it may be unfinished: then all that the client has not heard of count. They are being counted until
 * recipients_end_count.
 */
size_t recipients_begin_count(struct recipients *recipients, bool batch_may_be_unfinished);
/* This many of them were counted; the client hears `reply` for the others. Returns how many those are. */
size_t recipients_end_count(struct recipients *recipients, size_t counted, struct span reply);

/*
 * A new attempt: forgets what an earlier relay said and the client has not heard, and asks for all that are accepted or
 * not answered yet, as far as they are released.
 */
void recipients_begin_attempt(struct recipients *recipients);
/* Asks for those that are released, without a reply, and not asked for; returns where they begin in `asked`. */
size_t recipients_ask_new(struct recipients *recipients);
/* The upstream's reply to the next one asked; copied. STATUS_INVALID: none is waited for. */
MUST_USE enum status recipients_take_reply(struct recipients *recipients, struct span reply);
/* Every recipient asked for is answered, and no promise is broken. */
bool recipients_are_settled(const struct recipients *recipients);
/* How many are accepted, reported or not. */
size_t recipients_accepted(const struct recipients *recipients);
/* True when the client heard 250 for one. */
bool recipients_are_promised(const struct recipients *recipients);

/* Marks the next batch that is answered as reported, and puts its replies into `out_list`. STATUS_NOT_FOUND: none. */
MUST_USE enum status recipients_report(struct recipients *recipients, struct buf *out_list);

#endif
