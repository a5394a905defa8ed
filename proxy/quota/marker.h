/*
 * The marker: a key in Redis that shows whether Redis still has what it acknowledged. Its id names the memory, and is
 * kept in the state folder too: another id, or none, means that Redis was emptied, restored or replaced. A number that
 * this process writes after charges, in the same order, tells whether Redis lost some of what it had acknowledged (a
 * replica promoted too early, an older backup).
 *
 * Each charge is followed by a look at it, in the same pipeline, and counts only if the look finds all in order; with
 * `replicas`, if so many have got all of it, too (WAIT). After a loss the memory has a new id, and is sound again when
 * every node that was here within a day has brought its own counts. Of a node's processes each one that drains brings
 * what it has charged itself, and the newest one what the audit says, once all older ones that live have done so: they
 * are known by locks on the state file. Until this node hears that its counts are there, it brings them again.
 *
 * What a process lost with Redis within the last MARKER_REPLAYED_MS is no loss: it charges that again as soon as it is
 * connected (receipts.h).
 */
#ifndef QUOTA_MARKER_H
#define QUOTA_MARKER_H

#include <sys/queue.h>

#include "redis/redis.h"

#define MARKER_ID_SIZE 33        /* bytes: 32 hexadecimal digits and a NUL */
#define MARKER_REPLAYED_MS 30000 /* before the last answer of Redis */
#define MARKER_WAITING_SIZE 512  /* bytes of a text */

struct marker;

enum marker_verdict {
	MARKER_UNKNOWN = 0, /* no answer: what was written may be there or not */
	MARKER_FEW,         /* too few replicas have it in time */
	MARKER_UNSOUND,     /* counts are missing, and on their way */
	MARKER_SOUND,
};

struct marker_handler {
	/* Once for each loss, with a readable reason. */
	void (*on_loss)(void *context, const char *what);
	/*
	 * This node's counts are to be brought to the memory of this id (or by a process that drains, its own);
	 * marker_bring_done once they are there. What older processes have charged is brought, or in the audit by now.
	 */
	void (*on_wanted)(void *context, const char *id);
	/* All counts are in. */
	void (*on_sound)(void *context);
};

struct marker_options {
	const char *prefix;
	const char *node;  /* this node's name; no other has it */
	int state_fd;      /* keeps the id; owned (closed on failure too); -1: known only while this process lives */
	uint64_t replicas; /* that must have a charge; 0: none */
	const struct marker_handler *handler;
	void *context;
};

/* `redis` must outlive it. */
MUST_USE enum status marker_create(struct loop *loop, struct redis *redis, const struct marker_options *options,
				   struct marker **out_marker);
void marker_free(struct marker **marker); /* after Redis, which may owe it an answer */

/* Looks at the turn's end, ahead of what is flushed then. It also looks by itself every few seconds. */
void marker_check(struct marker *marker);

/* Whoever wants to know whether what was written before counts. Zeroed before its first use. */
struct marker_waiter {
	TAILQ_ENTRY(marker_waiter) in_look;
	bool waits;
	struct marker_look *look;
	void (*callback)(void *context, enum marker_verdict verdict);
	void *context;
};

/*
 * For an owner whose command Redis has answered, and who had called marker_check in the turn of it: of the looks on
 * their way, the first one tells. Without any a new one is sent. The callback comes once, never inside this call.
 */
MUST_USE enum status marker_confirm(struct marker *marker, struct marker_waiter *waiter,
				    void (*callback)(void *context, enum marker_verdict verdict), void *context);

/* False: as last seen, no charge would count. */
bool marker_is_sound(const struct marker *marker);
/* Why it isn't: which nodes are waited for, or that replicas are missing. */
void marker_explain(const struct marker *marker, char out_text[MARKER_WAITING_SIZE]);
/* Whether this node's counts are still to be brought to the present memory. */
bool marker_wants_counts(const struct marker *marker);
/* This node's counts are in the memory of this id. */
void marker_bring_done(struct marker *marker, const char *id);
/* What Redis acknowledged is missing, as somebody else has found out: all counts are to be made anew. */
void marker_report_loss(struct marker *marker, const char *what);
/* A node that is gone for good is waited for no more. STATUS_NOT_FOUND: it isn't anyway. STATUS_UNAVAILABLE: Redis. */
MUST_USE enum status marker_do_without(struct marker *marker, struct span node);
/* Seconds since 1970, by this node's clock or Redis's, whichever is earlier: a day is over by both. */
uint64_t marker_earlier_clock_s(const struct marker *marker);
/* What this process is called in Redis. */
const char *marker_process(const struct marker *marker);
/* The next relay process brings the node's counts. */
void marker_drain(struct marker *marker);

#endif
