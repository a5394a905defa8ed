/*
 * What spool.c (the loop's side) and spool_file.c (the file thread) share.
 *
 * A message is a head of at most SPOOL_MEMORY bytes in memory, then blocks of
 * so many while the spool has memory to spare, then a file, then a tail in
 * memory that was not handed to the thread yet:
 *
 *   0 … head … blocks … file_begin … file_end (handed over, written or in the queue) … tail … size
 *
 * Jobs of all messages stand in one queue and are done in order; so a read that
 * was queued after the writes sees what they wrote.
 */
#ifndef RELAY_SPOOL_PRIVATE_H
#define RELAY_SPOOL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "relay/spool.h"

enum spool_job_kind {
	SPOOL_WRITE, /* freed by the thread */
	SPOOL_READ,  /* goes back to the loop */
	SPOOL_CLOSE, /* goes back to the loop, which frees the message */
};

struct spool_job {
	TAILQ_ENTRY(spool_job) in_queue;
	enum spool_job_kind kind;
	struct spool_message *message;
	uint64_t at;        /* offset in the file */
	struct buf bytes;   /* WRITE: what to write; READ: what was read */
	size_t wanted;      /* READ: how many */
	enum status status; /* READ: how it went */
};

TAILQ_HEAD(spool_queue, spool_job);

/* The thread's half: everything below `lock` is shared. */
struct spool_thread {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct spool_queue queue; /* to the thread */
	struct spool_queue done;  /* from the thread */
	bool ending;
	int folder;
	struct wakeup *wakeup; /* sent when `done` got its first job */
};

struct spool {
	struct loop *loop;
	uint64_t maximum;
	uint64_t used;
	uint64_t blocks_maximum; /* in memory, of all messages */
	uint64_t block_count;
	uint64_t files_maximum;
	uint64_t file_count; /* messages that the thread knows */
	size_t messages;     /* that have an owner */
	struct spool_thread files;
};

struct spool_message {
	struct spool *spool;
	struct spool_share *share; /* or NULL; left with its owner's spool_message_free */
	bool is_copy;
	uint64_t size;
	struct buf head;
	struct buf *blocks; /* each is full */
	size_t block_count;
	struct buf tail;
	uint64_t file_begin; /* bytes before the file */
	uint64_t file_end;   /* those, and the bytes handed to the thread */
	bool has_job;        /* the thread knows it: it ends with SPOOL_CLOSE */

	/* the reader, and the piece read for it or ahead of it */
	void (*on_read)(void *context, enum status status, struct span bytes); /* NULL: nobody waits */
	void *context;
	uint64_t offset; /* what the reader waits for */
	bool reading;    /* read_job is with the thread */
	bool has_ahead;  /* `ahead` is good, read from ahead_at */
	struct buf ahead;
	uint64_t ahead_at;
	struct spool_job read_job;
	struct spool_job close_job;

	int fd;                /* the thread's alone; -1 until the first write */
	atomic_bool failed;    /* a write failed: nothing of this message can be relied on */
	atomic_bool abandoned; /* its owner has freed it: writes are dropped */
};

/* Starts the thread; owns `folder` from then on, on failure too. */
MUST_USE enum status spool_thread_start(struct spool_thread *files, int folder, struct wakeup *wakeup);
/* Returns when the queue is done; what is done can still be collected. */
void spool_thread_stop(struct spool_thread *files);
/* After spool_thread_stop. */
void spool_thread_free(struct spool_thread *files);
void spool_thread_give(struct spool_thread *files, struct spool_job *job);
/* Moves everything done to *out_done. */
void spool_thread_collect(struct spool_thread *files, struct spool_queue *out_done);

#endif
