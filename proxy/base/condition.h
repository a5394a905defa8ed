/* Waiting on a condition for so long, by the monotonic clock: no wait gets longer when the time of day is set. */
#ifndef BASE_CONDITION_H
#define BASE_CONDITION_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

void condition_init(pthread_cond_t *out_condition);

/* What pthread_cond_timedwait takes with such a condition: so many milliseconds from now. */
struct timespec condition_limit(uint64_t wait_ms);

#endif
