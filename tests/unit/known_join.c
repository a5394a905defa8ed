/*
 * ThreadSanitizer doesn't know pthread_clockjoin_np(), and takes whatever follows it for a race with the thread that
 * has ended. Linked with unit tests under it, this one joins by a call that it knows.
 */
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000L

int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock, const struct timespec *end)
{
	struct timespec then, now;
	clock_gettime(clock, &then);
	(void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now); /* not that which a test has set */
	long nanoseconds = now.tv_nsec + end->tv_nsec - then.tv_nsec;
	now.tv_sec += end->tv_sec - then.tv_sec;
	now.tv_sec += nanoseconds < 0 ? -1 : nanoseconds / BILLION;
	now.tv_nsec = nanoseconds < 0 ? nanoseconds + BILLION : nanoseconds % BILLION;
	return pthread_timedjoin_np(thread, result, &now);
}
