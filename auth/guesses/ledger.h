/*
 * Wrong passwords of users and from networks, in memory: what stands in while Redis is away. It follows what Redis
 * decides, so that it knows what this process has seen.
 *
 * Bounded: what was changed longest ago goes first, and no gate makes new records so fast that those of others are
 * lost.
 */
#ifndef AUTH_GUESSES_LEDGER_H
#define AUTH_GUESSES_LEDGER_H

#include "auth/guesses/subject.h"

#define LEDGER_MAXIMUM 65536U /* records of each kind: 40 MB at most, as long as names are not all long */

struct guess_limits {
	uint64_t per_user;    /* 0: none */
	uint64_t per_address; /* 0: none */
	uint64_t window_ms;
	uint64_t lease_ms; /* by which a try has ended */
};

/* How many more tries come from known places. With those from elsewhere they stay below twice the limit. */
uint64_t guess_limit_of_known(const struct guess_limits *limits);

struct ledger;

MUST_USE enum status ledger_create(const struct guess_limits *limits, struct ledger **out_ledger);
void ledger_free(struct ledger **ledger); /* NULL-safe; sets to NULL */

/*
 * Whether this gate may be the cause of one more record, should there be none of the user or of the network yet; if so,
 * it is charged with it until the try proves right.
 */
bool ledger_admit(struct ledger *ledger, struct guess_claim *claim, uint64_t now_ms);
/* Takes a place, or says why not; with GUESS_PENDING, *out_wait_ms is for how long at most. */
enum guess_answer ledger_reserve(struct ledger *ledger, const struct guess_claim *claim, bool from_known,
				 uint64_t now_ms, uint64_t *out_wait_ms);
/* Redis has given a place, so it is taken here too, whatever was counted here. */
void ledger_follow(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms);
/* Redis has refused one: it counts for its address, so that this process knows whom to refuse by itself. */
void ledger_note_refused(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms);
void ledger_settle(struct ledger *ledger, const struct guess_claim *claim, enum guess_outcome outcome, uint64_t now_ms);

/* Whether this process tries the very pair now; *out_wait_ms is for how long at most. */
bool ledger_is_trying(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms, uint64_t *out_wait_ms);
/* Whether the claim's address is refused. */
bool ledger_refuses_address(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms);

/* Somebody who is refused, for the list. */
struct guess_row {
	bool is_user;
	struct span name;  /* the user's, or the network */
	struct span typed; /* as it was typed last; may hold any bytes but controls */
	uint64_t failures;
	uint64_t left_ms; /* until the last failure counts no more */
};

typedef void guess_visit(void *context, const struct guess_row *row);

/* Those who are refused, in no order. */
void ledger_list(struct ledger *ledger, uint64_t now_ms, guess_visit *visit, void *context);
/* Forgives whoever has one of these names, as counted or as typed; all without any. How many refusals have ended. */
size_t ledger_clear(struct ledger *ledger, const struct span *names, size_t count, uint64_t now_ms);

#endif
