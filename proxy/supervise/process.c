/*
 * Fork, exec, and the watch of a pidfd. Owns the pidfd. Between fork and exec only async-signal-safe calls are made. A
 * child that fails before exec says so on its stderr and ends with 127.
 */
#include "supervise/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* As in a shell. */
#define EXIT_NO_EXEC 127
/* From SIGKILL to the end, which takes no time unless the process waits in the kernel. */
#define END_LIMIT_MS 2000

struct process {
	pid_t pid;
	int pidfd;
	struct watch *watch;
	bool reaped;
	bool ended_well;
	bool owns_group;
	void (*on_exit)(void *context, const char *how);
	void *context;
};

/* ---- in the child */

static void fail_child(const char *what)
{
	const char *reason = strerrordesc_np(errno);
	const char *const parts[] = { what, ": ", reason ? reason : "unknown error", "\n" };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)!write(STDERR_FILENO, parts[i], strlen(parts[i]));
	_exit(EXIT_NO_EXEC);
}

/* Our own settings are not for the program: exec resets handlers, but not what is ignored or blocked. */
static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void place_descriptors(const struct process_options *options)
{
	int input = options->input >= 0 ? options->input : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (input < 0 || dup2(input, STDIN_FILENO) < 0 || dup2(options->output, STDOUT_FILENO) < 0 ||
	    dup2(options->output, STDERR_FILENO) < 0)
		fail_child("descriptors");
	/* What we inherited ourselves, perhaps from a shell, goes no further. */
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		fail_child("descriptors");
	for (size_t i = 0; i < options->keep_count; i++)
		if (fcntl(options->keep[i], F_SETFD, 0) < 0)
			fail_child("descriptors");
}

/*
 * Gets a session of its own, so that a terminal's Ctrl-C reaches only the supervisor, which ends the others in order.
 */
static void become_program(const struct process_options *options, pid_t parent)
{
	setsid();
	reset_signals();
	place_descriptors(options);
	if (options->folder && chdir(options->folder) < 0)
		fail_child(options->folder);
	if (options->identity && identity_assume(options->identity) != STATUS_OK)
		fail_child("changing the user");
	/* Set after the change of user, which clears it. The parent may be gone already. */
	if (prctl(PR_SET_PDEATHSIG, options->death_signal) < 0 || getppid() != parent)
		fail_child("following the supervisor");
	if (options->binary >= 0)
		fexecve(options->binary, options->argv, options->envp);
	else
		execve(options->program, options->argv, options->envp);
	fail_child(options->argv[0]);
}

/* ---- in the supervisor */

static void describe_end(const siginfo_t *info, char *out_text, size_t size)
{
	if (info->si_code == CLD_EXITED)
		snprintf(out_text, size, "exit %d", info->si_status);
	else
		snprintf(out_text, size, "killed by signal %d (%s)", info->si_status,
			 sigdescr_np(info->si_status) ? sigdescr_np(info->si_status) : "unknown");
}

static bool reap_process(struct process *process, int flags, char *out_how, size_t size)
{
	siginfo_t info = { 0 };
	while (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | flags) < 0)
		if (errno != EINTR)
			return false;
	if (info.si_pid == 0)
		return false;
	process->reaped = true;
	process->ended_well = info.si_code == CLD_EXITED && info.si_status == 0;
	describe_end(&info, out_how, size);
	return true;
}

/* Its number is that of its group, as it began a session, and nobody else's before it is reaped. */
static void kill_group(const struct process *process)
{
	if (process->owns_group)
		kill(-process->pid, SIGKILL);
}

static void take_end(void *context, unsigned events)
{
	struct process *process = context;
	char how[64];
	(void)events;
	kill_group(process);
	if (!reap_process(process, WNOHANG, how, sizeof(how)))
		return;
	watch_set(process->watch, 0);
	process->on_exit(process->context, how);
}

static enum status watch_child(struct loop *loop, struct process *process)
{
	process->pidfd = pidfd_open(process->pid, 0);
	if (process->pidfd < 0)
		return STATUS_SYSTEM;
	return watch_create(loop, process->pidfd, WATCH_READ, take_end, process, &process->watch);
}

enum status process_start(struct loop *loop, const struct process_options *options, struct process **out_process)
{
	struct process *process = calloc(1, sizeof(*process));
	if (process == NULL)
		return STATUS_NO_MEMORY;
	*process = (struct process){
		.pidfd = -1, .owns_group = options->owns_group, .on_exit = options->on_exit, .context = options->context
	};
	pid_t parent = getpid();
	process->pid = fork();
	if (process->pid == 0)
		become_program(options, parent);
	enum status status = process->pid < 0 ? STATUS_SYSTEM : watch_child(loop, process);
	if (status != STATUS_OK) {
		int error = errno;
		process_free(&process);
		errno = error;
		return status;
	}
	*out_process = process;
	return STATUS_OK;
}

pid_t process_id(const struct process *process)
{
	return process->pid;
}

bool process_is_alive(const struct process *process)
{
	siginfo_t info = { 0 };
	return !process->reaped && waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

bool process_ended_well(const struct process *process)
{
	return process->ended_well;
}

void process_signal(struct process *process, int number)
{
	if (process->reaped || process->pid <= 0)
		return;
	kill(process->pid, number); /* it is not reaped, so the number is still its own */
	if (number == SIGKILL)
		kill_group(process);
}

/*
 * A process that waits in the kernel, perhaps for a disk, dies when it comes out. It is a zombie then; we don't wait
 * for that.
 */
static void wait_for_end(const struct process *process)
{
	struct pollfd end = { .fd = process->pidfd, .events = POLLIN };
	siginfo_t info;
	if (process->pidfd >= 0 && poll(&end, 1, END_LIMIT_MS) == 0) {
		log_error("process %d was killed and does not end; it is left to itself", (int)process->pid);
		return;
	}
	/* The pidfd has told us that it ended. A process without a pidfd has just been born, and dies at once. */
	while (waitid(P_PID, (id_t)process->pid, &info, WEXITED | (process->pidfd >= 0 ? WNOHANG : 0)) < 0 &&
	       errno == EINTR)
		;
}

void process_free(struct process **process)
{
	struct process *p = *process;
	if (p == NULL)
		return;
	*process = NULL;
	process_signal(p, SIGKILL);
	if (!p->reaped && p->pid > 0)
		wait_for_end(p);
	watch_free(&p->watch);
	if (p->pidfd >= 0)
		close(p->pidfd);
	free(p);
}
