/*
 * How many records a gate, or a user, may cause that nobody else vouches for. A gate in an attacker's hands can invent
 * sessions, refusals and failures as fast as its door carries them, and a user with a program has refusals for the
 * asking. Each of them has a ration of records; one record a minute and type stands for the rest, and counts it
 * (`count`, with the reason RATIONS_REASON).
 *
 * What the auth role vouches for (auth.success and the end of such a session) and what became of a message that left
 * are outside of it: they are recorded one by one, always.
 */
#ifndef RELAY_RATIONS_H
#define RELAY_RATIONS_H

#include <sys/queue.h>

#include "audit/audit.h"
#include "base/pace.h"

#define RATIONS_REASON "more than are recorded one by one"
#define RATIONS_UNIT 512U                 /* bytes of what comes in: a record made of more costs more */
#define RATIONS_MINUTE 60000U             /* ms from the first record left out to the one that counts it */
#define RATIONS_COUNT_MAXIMUM 1000000000U /* what one message of a gate may claim to stand for */

/* Whose records they are; of a gate or of a user. Zeroed but for its name: nothing taken. Good until rations_settle. */
struct ration {
	TAILQ_ENTRY(ration) in_owing;
	bool owes; /* it is among those that owe a record */
	struct pace pace;
	uint64_t left_out[AUDIT_TYPE_COUNT];
	uint32_t gate;    /* its instance; 0: a user */
	struct span user; /* lives as long as this */
};

struct rations {
	struct loop *loop;
	struct audit *audit;
	struct timer *timer; /* runs while anybody owes */
	TAILQ_HEAD(ration_list, ration) owing;
};

MUST_USE enum status rations_begin(struct rations *rations, struct loop *loop, struct audit *audit);
/* Settles all. Safe on a zeroed one. */
void rations_end(struct rations *rations);

/*
 * Whether a record of this type may be written, made of `size` bytes; else the
 * `count` that it would stand for (1, as a rule) is left out, and counted.
 */
MUST_USE bool rations_take(struct rations *rations, struct ration *ration, enum audit_type type, size_t size,
			   uint64_t count);
/* Records what it owes, at once; what the audit does not take is logged. It is not touched after this. */
void rations_settle(struct rations *rations, struct ration *ration);

#endif
