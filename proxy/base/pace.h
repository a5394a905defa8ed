/*
 * How much of something may happen: so much at once, and so much a second in
 * the long run (a token bucket). Pure; time is given. A zeroed pace is fresh.
 */
#ifndef BASE_PACE_H
#define BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace_limit {
	uint64_t burst;    /* units at once, after a rest; below 2^40 */
	uint64_t a_second; /* units a second in the long run */
};

/* What was taken and not yet paid off by time. */
struct pace {
	uint64_t debt; /* thousandths of a unit */
	uint64_t at_ms;
};

/* Takes `units` if the limit has room for all of them, else none. `now_ms` is of any clock that doesn't step back. */
bool pace_take(struct pace *pace, const struct pace_limit *limit, uint64_t units, uint64_t now_ms);
/* Takes them in any case; later takers wait for it. */
void pace_charge(struct pace *pace, const struct pace_limit *limit, uint64_t units, uint64_t now_ms);
/* They were taken in vain. */
void pace_give_back(struct pace *pace, uint64_t units);
/* Milliseconds until a single unit can be taken; 0: now. */
uint64_t pace_wait_ms(const struct pace *pace, const struct pace_limit *limit, uint64_t now_ms);

#endif
