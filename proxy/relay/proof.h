/*
 * Whether this node's audit is as it was written: verified now and then, when somebody wants to know, on a thread of
 * its own with the least priority. What is verified is what the relay has at hand: the file that is written, and those
 * of the last day.
 */
#ifndef RELAY_PROOF_H
#define RELAY_PROOF_H

#include <jansson.h>

#include "audit/audit_statement.h"
#include "net/loop.h"

struct proof;

struct proof_options {
	const int *fds; /* of the audit's files, in any order; duplicated here */
	size_t count;
	const char *node; /* this one */
	const struct audit_statement
		*known; /* what was signed last, which the files must hold; number 0: nothing yet */
};

MUST_USE enum status proof_create(struct loop *loop, struct proof **out_proof);
/* Ends the thread, within a line or a read of the disk. NULL-safe; sets to NULL. */
void proof_free(struct proof **proof);

/*
 * Begins a verification, unless one is under way, or the last one was less than an hour ago. What can't be begun is
 * left for the next time.
 */
void proof_refresh(struct proof *proof, const struct proof_options *options);
/*
 * What came of the last one: "state" ("never", "verified", "broken", "unproven": no checkpoint is at hand,
 * "unreadable"), and whether one is "running". Then, unless never: "checked" (seconds since 1970), "since" (the first
 * record's time), "records", "unsigned", "faults", and the first of these as "fault", with its place; the oldest file
 * is number 1. NULL: out of memory.
 */
json_t *proof_describe(const struct proof *proof);

#endif
