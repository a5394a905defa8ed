/*
 * What takes the place of libc's time of day in a library that is preloaded: the real one and so many seconds. The
 * monotonic clock runs as ever. Whoever includes it says how many they are.
 */
#ifndef TESTS_SHIFTED_TIME_H
#define TESTS_SHIFTED_TIME_H

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Seconds, as of now; asked each time. */
static time_t clock_shift(void);

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int failed = (int)syscall(SYS_clock_gettime, clock, out);
	if (failed == 0 && clock == CLOCK_REALTIME)
		out->tv_sec += clock_shift();
	return failed;
}

int gettimeofday(struct timeval *out, void *zone)
{
	struct timespec now;
	(void)zone;
	int failed = clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return failed;
}

time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

#endif
