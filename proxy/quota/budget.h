/*
 * Budgets: how much an upstream account may still send in a rolling day and
 * minute, counted in Redis for all nodes together, so that mail spills over to
 * the next account before the provider refuses.
 *
 * A node borrows messages and recipients in blocks, so that most messages cost
 * no call. A block is at most a tenth of what is left, and what is not used
 * within seconds is given back. A limit is never passed: what is lent counts as
 * sent, and so does what Redis may or may not have been told. The block of a node
 * that dies stays counted until its day is over.
 */
#ifndef QUOTA_BUDGET_H
#define QUOTA_BUDGET_H

#include <sys/queue.h>

#include "redis/redis.h"

struct budget;

/* 0: no limit. */
struct budget_limits {
	uint64_t messages_per_day;
	uint64_t recipients_per_day;
	uint64_t messages_per_minute;
};

enum budget_verdict {
	BUDGET_UNKNOWN = 0, /* Redis failed or is late: this account must not send it now */
	BUDGET_ASKED,       /* the callback will tell */
	BUDGET_TAKEN,
	BUDGET_SPENT, /* nothing is left for now */
};

/*
 * One message's part of a budget, embedded in its owner and zeroed before its first use.
 * Invariant: `budget` is set iff it waits or has taken; in the budget's list iff it waits.
 */
struct budget_claim {
	TAILQ_ENTRY(budget_claim) in_waiting;
	struct budget *budget;
	bool waits;
	uint64_t recipients;
	uint64_t day_slot, short_slot;
	void (*callback)(void *context, enum budget_verdict verdict);
	void *context;
};

/* `account` is the same name on all nodes; `redis` must outlive it. */
MUST_USE enum status budget_create(struct loop *loop, struct redis *redis, const char *prefix, struct span account,
				   const struct budget_limits *limits, struct budget **out_budget);
/* Claims that wait end without a callback. Blocks still held stay counted: budget_drain first. */
void budget_free(struct budget **budget);

/*
 * For one message to so many recipients. BUDGET_ASKED: the callback comes once, never inside this call, unless the
 * claim is given back or spent before.
 */
MUST_USE enum budget_verdict budget_take(struct budget *budget, uint64_t recipients, struct budget_claim *claim,
					 void (*callback)(void *context, enum budget_verdict verdict), void *context);
/* The account certainly did not send it. Ends waiting too; does nothing for a claim that holds nothing. */
void budget_give_back(struct budget_claim *claim);
/* The account sent it, or may have. */
void budget_spend(struct budget_claim *claim);

/* True if Redis said a moment ago that not even one message to one recipient is left. */
bool budget_is_spent(const struct budget *budget);
/* Gives back what is held, and keeps none from now on: another process takes over. */
void budget_drain(struct budget *budget);
/* True while a call is under way. */
bool budget_is_calling(const struct budget *budget);

struct budget_state {
	struct budget_limits limits;
	uint64_t messages, recipients; /* of the rolling day, as Redis last said; blocks lent count */
};
void budget_show(const struct budget *budget, struct budget_state *out_state);

#endif
