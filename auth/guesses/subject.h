/*
 * What is counted of one user, or of one network, in memory. The rules are those of book.lua and reserve.lua, which
 * count the same in Redis. Pure; time is given.
 */
#ifndef AUTH_GUESSES_SUBJECT_H
#define AUTH_GUESSES_SUBJECT_H

#include "auth/guesses/claim.h"
#include "base/map.h"

#define GUESS_AGAIN_MS 60000        /* how often a wrong pair may be asked again */
#define GUESS_UNKNOWN_FIRST_MS 5000 /* for how long a pair is left alone that a directory gave no answer for */
#define GUESS_UNKNOWN_LAST_MS 20000 /* the same after several such tries */
#define SUBJECT_GATES 16            /* that a wide network tells apart; the others are one */

enum subject_kind { SUBJECT_USER, SUBJECT_NETWORK, SUBJECT_KINDS };

struct subject_try {
	uint64_t pair;
	uint64_t token;
	uint64_t at_ms;
	uint64_t lease_end_ms; /* until when another try of the pair waits */
	uint64_t lease_ms;     /* of one without an answer; 0: not yet */
	uint32_t gate;
	bool from_known; /* in one of the places for tries from known places */
	enum { TRY_PENDING, TRY_WRONG, TRY_UNKNOWN } state;
};

struct subject_gate {
	uint32_t gate;
	uint32_t count; /* 0: a free place */
};

/* Invariant: `tries` is of a user and of a narrowest network, `by_gate` of a wider one. */
struct subject {
	struct map_link link;
	struct subject *older, *newer;
	char *name;     /* what it is counted under; the holder's */
	char *typed;    /* the holder's */
	uint64_t limit; /* that it was last held to */
	bool is_wide;
	struct subject_try *tries;
	size_t try_count, try_capacity;
	struct subject_gate by_gate[SUBJECT_GATES];
	uint64_t began_ms; /* of a wider network */
};

/* Forgets what counts no more. */
void subject_forget_old(struct subject *subject, uint64_t window_ms, uint64_t now_ms);
bool subject_is_empty(const struct subject *subject);
/* The latest try of the pair; NULL. */
struct subject_try *subject_find_pair(struct subject *subject, uint64_t pair);
/* STATUS_NO_MEMORY. */
MUST_USE enum status subject_add_try(struct subject *subject, const struct subject_try *try);
void subject_count_gate(struct subject *subject, uint32_t gate);
void subject_give_back_gate(struct subject *subject, uint32_t gate);

/*
 * Whether one more try of a user may be made: never more than the limit, and one gate alone leaves half of it to the
 * others. A pair that was wrong (`is_again`) leaves half of the places to other pairs.
 */
bool subject_has_room(const struct subject *subject, uint64_t limit, uint32_t gate, bool from_known, bool is_again);
/*
 * Whether a network is refused to clients of this gate: what it reported itself weighs in full, what each other gate
 * did no more than half of the limit.
 */
bool subject_is_full_for(const struct subject *subject, uint64_t limit, uint32_t gate);
/* To any gate's clients. */
bool subject_is_refused(const struct subject *subject, enum subject_kind kind);
uint64_t subject_failures(const struct subject *subject);
uint64_t subject_left_ms(const struct subject *subject, uint64_t window_ms, uint64_t now_ms);

/* How a try went; false: it was not given back. *out_gate is whose it was. */
bool subject_settle(struct subject *subject, const struct guess_claim *claim, enum guess_outcome outcome,
		    uint64_t now_ms, uint32_t *out_gate);

#endif
