/* Starting programs and waiting for them. */
#include "setup/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "setup/interrupt.h"

#define READ_PIECE 4096U
#define NOT_RUN 127   /* what a shell says of a program that isn't there */
#define HIGH_FILE 100 /* above all that the program is to get */

static char *const environment[] = { (char[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
				     (char[]){ "LC_ALL=C.UTF-8" }, NULL };

/* ---- in the child */

static void clear_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	sigset_t none;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In two steps, as one of them may be where another belongs. */
static void pass_files(const int files[RUN_FILES])
{
	int high[RUN_FILES];
	for (int i = 0; i < RUN_FILES; i++)
		high[i] = files[i] ? fcntl(files[i], F_DUPFD_CLOEXEC, HIGH_FILE) : -1;
	for (int i = 0; i < RUN_FILES; i++)
		if (high[i] >= 0)
			dup2(high[i], RUN_FIRST_FILE + i);
}

static _Noreturn void become_program(const char *const *arguments, int in, int out)
{
	clear_signals();
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execve(arguments[0], (char *const *)(uintptr_t)arguments, environment);
	_exit(NOT_RUN);
}

/* ---- to its end */

static void read_output(int fd, struct buf *output, pid_t child)
{
	bool is_told = false;
	char piece[READ_PIECE];
	for (;;) {
		if (!is_told && !interrupt_wait(fd)) {
			kill(child, SIGTERM);
			is_told = true;
		}
		ssize_t got = read(fd, piece, sizeof(piece));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		size_t size = (size_t)got;
		if (output && buf_append(output, (struct span){ piece, size }) != STATUS_OK)
			output = NULL;
	}
	explicit_bzero(piece, sizeof(piece));
}

static int wait_for_end(pid_t child)
{
	int state = 0;
	while (waitpid(child, &state, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(state) ? WEXITSTATUS(state) : 128;
}

static enum status run_between(const struct run *run, int null, const int pipe[2], int *out_code)
{
	pid_t child = fork();
	if (child < 0)
		return STATUS_SYSTEM;
	if (child == 0) {
		pass_files(run->files);
		become_program(run->arguments, null, pipe[1]);
	}
	close(pipe[1]);
	read_output(pipe[0], run->output, child);
	*out_code = wait_for_end(child);
	if (interrupt_came())
		return STATUS_END;
	return *out_code == NOT_RUN ? STATUS_SYSTEM : STATUS_OK;
}

enum status run_program(const struct run *run, int *out_code)
{
	int ends[2];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return STATUS_SYSTEM;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		close(null);
		return STATUS_SYSTEM;
	}
	enum status status = run_between(run, null, ends, out_code);
	close(ends[0]);
	close(null);
	return status;
}

/* ---- without us */

enum status run_detached(const char *const *arguments, const char *log, pid_t *out_process)
{
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t child = out >= 0 && null >= 0 ? fork() : -1;
	if (child == 0) {
		setsid();
		become_program(arguments, null, out);
	}
	if (out >= 0)
		close(out);
	if (null >= 0)
		close(null);
	if (child < 0)
		return STATUS_SYSTEM;
	*out_process = child;
	return STATUS_OK;
}

bool run_has_ended(pid_t process)
{
	return waitpid(process, NULL, WNOHANG) == process;
}

/* ---- where they are */

static bool is_program(const char *path)
{
	struct stat info;
	return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* Leaves the folder. False: there is none. */
static bool cut_last_name(char *path)
{
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return slash;
}

enum status run_find_own(const char *name, char out_path[PATH_MAX])
{
	char own[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", own, sizeof(own) - 1);
	if (size <= 1)
		return STATUS_SYSTEM;
	own[size] = '\0';
	if (!cut_last_name(own))
		return STATUS_NOT_FOUND;
	if (snprintf(out_path, PATH_MAX, "%s/%s", own, name) < PATH_MAX && is_program(out_path))
		return STATUS_OK;
	if (!cut_last_name(own))
		return STATUS_NOT_FOUND;
	if (snprintf(out_path, PATH_MAX, "%s/sbin/%s", own, name) < PATH_MAX && is_program(out_path))
		return STATUS_OK;
	return STATUS_NOT_FOUND;
}

enum status run_find(const char *name, char out_path[PATH_MAX])
{
	static const char *const folders[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(out_path, PATH_MAX, "%s/%s", folders[i], name);
		if (is_program(out_path))
			return STATUS_OK;
	}
	return STATUS_NOT_FOUND;
}
