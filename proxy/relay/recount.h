/*
 * What this node's audit says that each user has sent on their last day, be it over or not: how much of a day's quota
 * is used where Redis has lost it, and when the next day may begin. Read on a thread of its own, while mail waits.
 *
 * A message counts that was sent, that may have been, and that is leaving; as it was charged, by its accepted
 * recipients and its size: for its user, and for the shared quota that its record names. What other nodes sent is in
 * their own audits.
 */
#ifndef RELAY_RECOUNT_H
#define RELAY_RECOUNT_H

#include "base/map.h"
#include "net/loop.h"

/* One app password's messages. */
struct recount_password {
	struct recount_password *next;
	uint64_t messages;
	char id[];
};

struct recount_user {
	struct map_link in_users;
	uint64_t messages, recipients, bytes;
	uint64_t ends_s;  /* when the day ends that they were charged to; it may be over; 0: unknown, and not over */
	bool has_unnamed; /* some don't say to which day they were charged, and are of today */
	struct recount_password *passwords;
	/* What its owner knows beside the audit. */
	struct {
		uint64_t messages, recipients, bytes, ends_s;
		struct recount_password *passwords;
	} pending;
	char name[]; /* as in quota.h: of a user, or of a quota that users share */
};

struct recount;

struct recount_options {
	const int *fds; /* of the audit's files, in any order, plain or packed; duplicated here */
	size_t count;
	uint64_t since_s; /* 1970: what left before is of another day, unless it says to which it was charged */
	/*
	 * Most say so, and then it doesn't matter when they left: clocks step, and nodes may begin days in different
	 * zones. Of each user the last day counts, also if it is over at this time: a clock of Redis's that steps back
	 * must not find it empty, and begin it once more. 0: such words don't matter, as days roll.
	 */
	uint64_t now_s;
	/*
	 * On the loop's thread, once. STATUS_OK, or why the files can't be read. It may free the recount; else what it
	 * has found lives until that.
	 */
	void (*on_done)(void *context, enum status status);
	void *context;
};

MUST_USE enum status recount_start(struct loop *loop, const struct recount_options *options,
				   struct recount **out_recount);
void recount_free(struct recount **recount); /* ends the thread, within a line; NULL-safe; sets to NULL */

/* After on_done. Of a user or an app password that is not there it is made; NULL: out of memory. */
struct recount_user *recount_enter(struct recount *recount, struct span name);
struct recount_password *recount_enter_password(struct recount_password **list, struct span id);
void recount_visit(struct recount *recount, void (*visit)(void *context, const struct recount_user *user),
		   void *context);
/* Whether a message of this id (as in Received) is among what was counted: for its user, or as shared, as `name` is. */
bool recount_has_charge(const struct recount *recount, struct span name, struct span id);

#endif
