/*
 * What a relay process and the next one must both know about the upstreams:
 * which of them rests, until when, after how long a rest before, and why.
 * Each fact stands under a key, in a file in the state folder that the old
 * relay and the new one map at once, so that it outlives reload, crash and
 * reboot, and either hears at once of what the other learned.
 *
 * The file is bounded: when it is full, the rest that is over for longest, or
 * ends first, is forgotten. What can't be a rest (a clock that was wrong, a
 * damaged file) counts as none.
 */
#ifndef RELAY_RESTS_H
#define RELAY_RESTS_H

#include "base/span.h"
#include "net/loop.h"

#define REST_REASON_SIZE 208        /* bytes, the NUL included */
#define REST_MAXIMUM_MS 172800000   /* two days; nothing rests for longer */
#define REST_UNTIL_ENDED UINT64_MAX /* milliseconds: until rests_end */

struct rests;

/* `fd`: the file, taken over; -1: memory only. STATUS_SYSTEM: it can't be mapped. */
MUST_USE enum status rests_create(struct loop *loop, int fd, struct rests **out_rests);
void rests_free(struct rests **rests);

/* The key of a fact ("login", "smtp.example.com", "me@example.com"). 0 when there is no memory for it: such a fact is not kept. */
uint64_t rests_key(const char *fact, const char *host, const char *name);

/* Milliseconds until it is over, 0: it does not rest; REST_UNTIL_ENDED. */
uint64_t rests_left_ms(const struct rests *rests, uint64_t key);
/* How long the last rest was, over or not; 0: all has been well since. */
uint64_t rests_length_ms(const struct rests *rests, uint64_t key);
/* Why; "" when it is not known. */
void rests_reason(const struct rests *rests, uint64_t key, char out_reason[REST_REASON_SIZE]);
void rests_begin(struct rests *rests, uint64_t key, uint64_t ms, const char *reason);
/* Over, and all is well. */
void rests_end(struct rests *rests, uint64_t key);

/*
 * Begins a rest twice as long as the one before, within [first_ms, most_ms]; gives its length. While it rests already
 * nothing changes, and 0 is given.
 */
uint64_t rests_back_off(struct rests *rests, uint64_t key, uint64_t first_ms, uint64_t most_ms, const char *reason);

#endif
