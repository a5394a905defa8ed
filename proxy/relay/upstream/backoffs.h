/*
 * What a relay process and the next one must both know about the upstreams:
 * which of them we back off from, until when, how long the last back-off was,
 * and why. Each fact has a key, in a file in the state folder (`relay-rests`)
 * that the old relay and the new one both map. So it outlives reload, crash and
 * reboot, and each process sees at once what the other learned.
 *
 * The file is bounded: when it is full, the back-off that ended, or ends, first
 * is forgotten. An impossible back-off (from a wrong clock or a damaged file)
 * counts as none.
 */
#ifndef RELAY_BACKOFFS_H
#define RELAY_BACKOFFS_H

#include "base/span.h"
#include "net/loop.h"

#define BACKOFF_REASON_SIZE 208        /* bytes, the NUL included */
#define BACKOFF_MAXIMUM_MS 172800000   /* two days; no back-off with an end is longer */
#define BACKOFF_UNTIL_ENDED UINT64_MAX /* milliseconds: until backoffs_end */

struct backoffs;

/* `fd`: the file, taken over; -1: memory only. STATUS_SYSTEM: it can't be mapped. */
MUST_USE enum status backoffs_create(struct loop *loop, int fd, struct backoffs **out_backoffs);
void backoffs_free(struct backoffs **backoffs);

/*
 * The key of a fact ("login", "smtp.example.com", "me@example.com"). 0 when there is no memory for it: such a fact is
 * not kept.
 */
uint64_t backoffs_key(const char *fact, const char *host, const char *name);

/* Milliseconds until the back-off is over; 0: there is none; or BACKOFF_UNTIL_ENDED. */
uint64_t backoffs_left_ms(const struct backoffs *backoffs, uint64_t key);
/* How long the last back-off was, over or not; 0: all has been well since. */
uint64_t backoffs_length_ms(const struct backoffs *backoffs, uint64_t key);
/* Why we back off; "" when that is not known. */
void backoffs_reason(const struct backoffs *backoffs, uint64_t key, char out_reason[BACKOFF_REASON_SIZE]);
void backoffs_begin(struct backoffs *backoffs, uint64_t key, uint64_t ms, const char *reason);
/* It is over, and all is well. */
void backoffs_end(struct backoffs *backoffs, uint64_t key);

/*
 * Begins a back-off twice as long as the one before, within [first_ms, most_ms], and returns its length. Returns 0, and
 * changes nothing, while one lasts already.
 */
uint64_t backoffs_begin_longer(struct backoffs *backoffs, uint64_t key, uint64_t first_ms, uint64_t most_ms,
			       const char *reason);

#endif
