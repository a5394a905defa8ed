/* The signals stay blocked but during a wait; a flag says that one came. */
#include "setup/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t came;
static bool is_ignored;
static sigset_t before; /* what was blocked at first */

static void note_signal(int number)
{
	(void)number;
	came = 1;
}

void interrupt_watch(void)
{
	struct sigaction note = { .sa_handler = note_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	for (size_t i = 0; i < SIGNALS; i++) {
		sigdelset(&before, signals[i]);
		sigaction(signals[i], &note, NULL);
	}
	/* A reader of our output who leaves must not end us in the middle. */
	sigaction(SIGPIPE, &ignore, NULL);
}

bool interrupt_came(void)
{
	sigset_t pending;
	if (is_ignored)
		return false;
	sigpending(&pending);
	for (size_t i = 0; i < SIGNALS; i++)
		if (sigismember(&pending, signals[i]) == 1)
			came = 1;
	return came != 0;
}

bool interrupt_wait(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	while (!interrupt_came() && ppoll(&ready, 1, NULL, is_ignored ? NULL : &before) < 0)
		if (errno != EINTR)
			break;
	return !interrupt_came();
}

bool interrupt_pause(int ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	if (!interrupt_came())
		(void)ppoll(NULL, 0, &time, is_ignored ? NULL : &before);
	return !interrupt_came();
}

void interrupt_ignore(void)
{
	is_ignored = true;
}
