/*
 * What is done lest Redis's memory of counts fails unseen: charges are confirmed (marker.h), those of the last seconds
 * are repeated on each new connection (receipts.h, replay.h), and after a loss this node brings what its audit says was
 * used today. Until all nodes have, nothing is charged.
 */
#ifndef QUOTA_MEMORY_H
#define QUOTA_MEMORY_H

#include "quota/marker.h"
#include "quota/quota.h"

struct memory;
struct receipts_entry;

/* All of them must outlive it, and the calls of Redis it. STATUS_NO_MEMORY, STATUS_SYSTEM. */
MUST_USE enum status memory_create(struct loop *loop, struct redis *redis, const char *prefix, struct marker *marker,
				   struct memory **out_memory);
void memory_free(struct memory **memory); /* after Redis; NULL-safe; sets to NULL */

/* Days are the last 24 hours: so far back counts reach. */
void memory_roll_days(struct memory *memory);
/* Redis is away: no receipt grows old until the last charges were repeated. */
void memory_lose_connection(struct memory *memory);
/* Redis is connected anew: before any other command the last charges are repeated. */
void memory_take_connection(struct memory *memory);

/* See marker_do_without. */
MUST_USE enum status memory_do_without(struct memory *memory, struct span node);

/* ---- of a charge; `name` is as in its key */

/* False: a charge would not count now, as the text says, which is valid until the next call. */
bool memory_may_charge(struct memory *memory, struct span *out_why);
/* A charge was sent. */
void memory_follow(struct memory *memory);
/* A charge was granted: see marker_confirm. */
MUST_USE enum status memory_confirm(struct memory *memory, struct marker_waiter *waiter,
				    void (*callback)(void *context, enum marker_verdict verdict), void *context);
/* It counts. `app_password`: "" unless it has a limit. `ends_s`: when the day ends that it was charged to. */
void memory_note(struct memory *memory, const struct quota_order *order, struct span name, const char *app_password,
		 uint64_t ends_s);
/* It won't be given back; `on_old` follows once Redis may forget the token. */
void memory_settle(struct memory *memory, struct span name, struct span token);
/* It is given back. */
void memory_drop(struct memory *memory, struct span name, struct span token);
void memory_tell_old(struct memory *memory, void (*on_old)(void *context, struct span name, struct span token),
		     void *context);

/* ---- bringing this node's counts to a memory that lacks them */

struct memory_part {
	struct span name; /* as in its key */
	bool is_pending;  /* of what this process has charged and its audit does not have; else what the audit has */
	uint64_t messages, recipients, bytes;
	uint64_t ends_s;       /* when their day ends, which may be over; 0: unknown, and not over */
	struct span passwords; /* "ID:N ID:N": messages by app passwords */
};

struct memory_bringing {
	const char *id; /* the memory's */
	/* Who brings what the audit has, and what is pending: what they brought before is replaced. */
	const char *node, *process;
	/* The next part, valid until the next call; false: there is none. */
	bool (*next)(void *context, struct memory_part *out_part);
	/* Once. `why`: Redis has not taken all of them, to be tried again; NULL: it has. Valid in the call. */
	void (*on_done)(void *context, const char *why);
	void *context;
};

/* When what counts today began, in seconds since 1970. */
uint64_t memory_counts_since(const struct memory *memory);
/* Counts of a user's day begin anew with its end, which is kept. */
bool memory_has_days(const struct memory *memory);
/* One at a time. Never calls back inside this call. */
void memory_bring(struct memory *memory, const struct memory_bringing *bringing);

/*
 * Each charge of the receipts (receipts.h); `message`: the token up to its last "-". `visit` says whether it is among
 * what the audit counts.
 */
void memory_visit_charges(struct memory *memory,
			  bool (*visit)(void *context, const struct receipts_entry *charge, struct span message),
			  void *context);

#endif
