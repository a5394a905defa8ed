/* The time of day of this program as seen by the program itself; the kernel's own stays as it is. */
#ifndef TESTS_WITH_SET_CLOCK_H
#define TESTS_WITH_SET_CLOCK_H

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * So far does it go ahead of the kernel's. A wait that the kernel ends at a time of ours is then as much too long as if
 * somebody had set the clock back meanwhile.
 */
static atomic_long clock_ahead_s;

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int failed = (int)syscall(SYS_clock_gettime, clock, out);
	if (failed == 0 && clock == CLOCK_REALTIME)
		out->tv_sec += clock_ahead_s;
	return failed;
}

#endif
