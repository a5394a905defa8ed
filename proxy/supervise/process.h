/*
 * A child process of the supervisor: started, watched by its pidfd, reaped
 * once. The supervisor never waits for one while it serves.
 */
#ifndef SUPERVISE_PROCESS_H
#define SUPERVISE_PROCESS_H

#include <sys/types.h>

#include "net/loop.h"
#include "role/privileges.h"

struct process;

struct process_options {
	int binary;          /* descriptor of the program; -1: `program` */
	const char *program; /* its absolute path, for one that may be a script */
	char *const *argv;   /* NULL at its end */
	char *const *envp;   /* NULL at its end */
	int input;           /* its stdin; -1: /dev/null */
	int output;          /* its stdout and stderr */
	const int *keep;     /* what else stays open in it */
	size_t keep_count;
	const char *folder;              /* its working directory; NULL: as ours */
	const struct identity *identity; /* its user from the first instruction; NULL: ours */
	int death_signal;                /* sent to it by the kernel when we die */
	bool owns_group;                 /* what it has started is killed when it ends, or is killed */
	void (*on_exit)(void *context,
			const char *how); /* "exit 1", "killed by signal 9 (Killed)"; once, in a later turn */
	void *context;
};

/* STATUS_SYSTEM: errno. A program that can't be executed ends with exit 127. */
MUST_USE enum status process_start(struct loop *loop, const struct process_options *options,
				   struct process **out_process);
pid_t process_id(const struct process *process);
bool process_is_alive(const struct process *process);     /* asks the kernel; nothing is reaped */
bool process_ended_well(const struct process *process);   /* with exit code 0; known in on_exit */
void process_signal(struct process *process, int number); /* does nothing when it is gone */
/*
 * Kills it if it lives and waits for its end: SIGKILL takes effect at once, or is waited for 2 s where the process
 * waits in the kernel. No callback. NULL-safe; sets to NULL; allowed inside on_exit.
 */
void process_free(struct process **process);

#endif
