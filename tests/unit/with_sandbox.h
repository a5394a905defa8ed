/* For tests of the sandbox: each case is run by a child that has entered it. */
#ifndef TESTS_WITH_SANDBOX_H
#define TESTS_WITH_SANDBOX_H

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "role/sandbox.h"
#include "supervise_fixture.h"

/* Runs `act` in a child in that sandbox; what it returns is the child's exit code. */
static inline int in_child(enum role_kind kind, const struct fixture *f, const struct handover *list,
			   int (*act)(void *), void *context)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_close_paths(kind, f ? f->config : NULL, list) != STATUS_OK ||
		    sandbox_close_calls(kind) != STATUS_OK)
			_exit(255);
		_exit(act(context));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* The error that a call left, or 0 where it succeeded. */
static inline int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static inline int open_file(void *context)
{
	(void)context;
	return error_of(open("/etc/passwd", O_RDONLY));
}

#endif
