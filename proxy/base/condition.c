/* Conditions of the monotonic clock. Owns nothing. */
#include "base/condition.h"

#include "base/clock.h"

void condition_init(pthread_cond_t *out_condition)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(out_condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

struct timespec condition_limit(uint64_t wait_ms)
{
	uint64_t until_us = clock_monotonic_us() + wait_ms * 1000;
	return (struct timespec){ .tv_sec = (time_t)(until_us / 1000000),
				  .tv_nsec = (long)(until_us % 1000000) * 1000 };
}
