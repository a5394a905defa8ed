/*
 * Work that waits, done by threads so that the loop never does: a bounded queue, a deadline for each job, and a wakeup
 * back to the loop. A job whose deadline has passed, or that was forgotten, may still be running: its result is
 * dropped when it comes.
 *
 * Jobs have owners. No owner takes more than half of the queue, and one that just had its turn lets another go first:
 * so an owner that asks for more than can be done waits, and no other does.
 *
 * The threads block all signals and have small stacks. Everything here but `run`, `enter` and `leave` happens on the
 * loop's thread.
 */
#ifndef NET_JOBS_H
#define NET_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "net/loop.h"
#include "stats/life.h"

struct jobs;

/* Embedded first in the owner's work. All fields but the functions and `owner` belong to the pool. */
struct job {
	void (*run)(struct job *job, void *local); /* on a thread; `local` is that thread's */
	void (*destroy)(struct job *job);          /* frees the work; on the loop's thread, once nobody runs it */
	/*
	 * STATUS_OK: it ran, `job` holds what came out. STATUS_TIMEOUT: the deadline
	 * passed, and a thread may still be at it: nothing that `run` touches may be
	 * looked at. Called once, unless forgotten before; `job` is gone after it.
	 */
	void (*on_done)(void *context, struct job *job, enum status status);
	void *context;
	uint64_t owner; /* any number; 0: jobs of nobody, which are not bounded by themselves */
	uint64_t deadline_ms;
	uint64_t limit_ms;                               /* of its run alone, from when a thread takes it */
	struct job *queue_next;                          /* in the queue, or among those that ran */
	struct job *previous, *next;                     /* among all that are not destroyed */
	enum { JOB_QUEUED, JOB_RUNNING, JOB_RAN } state; /* guarded by the pool's lock */
};

struct jobs_settings {
	const char *name;    /* of the threads; at most 15 characters */
	enum life_kind kind; /* the same for the supervisor: a thread that does not come back in time is seen */
	unsigned threads;
	size_t queue_maximum; /* jobs waiting for a thread */
	/* On each thread, before its first and after its last job; may be NULL. */
	void *(*enter)(void *context);
	void (*leave)(void *context, void *local);
	void *context;
};

MUST_USE enum status jobs_create(struct loop *loop, const struct jobs_settings *settings, struct jobs **out_jobs);
/*
 * Ends the threads: those that do not come back within JOBS_STOP_MS are left
 * behind with what they use, and the answer is false. Jobs not yet done are
 * dropped without on_done. NULL-safe; sets to NULL.
 */
bool jobs_free(struct jobs **jobs);
/* A look-up that is cut off ends at once; a name server may take longer, and is not waited for. */
#define JOBS_STOP_MS 2000

/* Takes the job over. STATUS_UNAVAILABLE: the queue or its owner's half is full, and the job stays the caller's. */
MUST_USE enum status jobs_submit(struct jobs *jobs, struct job *job, uint64_t timeout_ms);
/* Its on_done is not called any more. */
void jobs_forget(struct jobs *jobs, struct job *job);

#endif
