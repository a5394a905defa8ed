/*
 * The file thread of the spool: the one place that waits for a disk. It owns
 * the files' descriptors. A failed write marks its message, once and for good;
 * a failed read says so in its job.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/thread.h"
#include "relay/spool_private.h"
#include "stats/life.h"

#define DISK_LIMIT_MS 10000     /* for one job: a disk that takes longer hangs, and is shown so */
#define STACK_SIZE (256U << 10) /* bytes */
#define NAME_RANDOM 16          /* bytes of a file's name where there is no O_TMPFILE: never met twice */

/* For file systems without O_TMPFILE: a name that exists for a moment. */
static int open_named(int folder)
{
	unsigned char random[NAME_RANDOM];
	char name[sizeof("spool-") + 2 * NAME_RANDOM] = "spool-";
	if (hash_random(random, sizeof(random)) != STATUS_OK)
		return -1;
	hash_to_hex(random, sizeof(random), name + sizeof("spool-") - 1);
	int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd >= 0 && unlinkat(folder, name, 0) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_unlinked(int folder)
{
	int fd = openat(folder, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, S_IRUSR | S_IWUSR);
	return fd >= 0 ? fd : open_named(folder);
}

static enum status write_all(int fd, struct span bytes, uint64_t at)
{
	while (bytes.size) {
		ssize_t written = pwrite(fd, bytes.data, bytes.size, (off_t)at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return STATUS_SYSTEM;
		bytes = span_slice(bytes, (size_t)written, bytes.size);
		at += (uint64_t)written;
	}
	return STATUS_OK;
}

static void do_write(struct spool_thread *files, struct spool_job *job)
{
	struct spool_message *message = job->message;
	if (!atomic_load(&message->abandoned) && !atomic_load(&message->failed)) {
		if (message->fd < 0)
			message->fd = open_unlinked(files->folder);
		if (message->fd < 0 || write_all(message->fd, buf_span(&job->bytes), job->at) != STATUS_OK)
			atomic_store(&message->failed, true);
	}
	buf_free(&job->bytes);
	free(job);
}

static enum status read_all(int fd, struct buf *bytes, size_t wanted, uint64_t at)
{
	char *room;
	TRY(buf_reserve(bytes, wanted, &room));
	size_t size = 0;
	while (size < wanted) {
		ssize_t got = pread(fd, room + size, wanted - size, (off_t)(at + size));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return STATUS_SYSTEM;
		size += (size_t)got;
	}
	buf_commit(bytes, size);
	return STATUS_OK;
}

static void do_job(struct spool_thread *files, struct spool_job *job)
{
	struct spool_message *message = job->message;
	switch (job->kind) {
	case SPOOL_WRITE:
		do_write(files, job);
		return;
	case SPOOL_READ:
		job->status = STATUS_SYSTEM;
		if (message->fd >= 0 && !atomic_load(&message->failed))
			job->status = read_all(message->fd, &job->bytes, job->wanted, job->at);
		break;
	case SPOOL_CLOSE:
		if (message->fd >= 0)
			close(message->fd);
		message->fd = -1;
		break;
	}
	pthread_mutex_lock(&files->lock);
	bool first = TAILQ_EMPTY(&files->done);
	TAILQ_INSERT_TAIL(&files->done, job, in_queue);
	pthread_mutex_unlock(&files->lock);
	if (first)
		wakeup_send(files->wakeup);
}

/* The next job, or NULL once there is none and none will come. */
static struct spool_job *take_job(struct spool_thread *files)
{
	pthread_mutex_lock(&files->lock);
	while (TAILQ_EMPTY(&files->queue) && !files->ending)
		pthread_cond_wait(&files->wanted, &files->lock);
	struct spool_job *job = TAILQ_FIRST(&files->queue);
	if (job)
		TAILQ_REMOVE(&files->queue, job, in_queue);
	pthread_mutex_unlock(&files->lock);
	return job;
}

static void *run_thread(void *context)
{
	struct spool_thread *files = context;
	struct spool_job *job;
	struct life_thread *sign = life_join(LIFE_SPOOL);
	while ((job = take_job(files)) != NULL) {
		life_begin(sign, DISK_LIMIT_MS);
		do_job(files, job);
		life_rest(sign);
	}
	return NULL;
}

enum status spool_thread_start(struct spool_thread *files, int folder, struct wakeup *wakeup)
{
	*files = (struct spool_thread){ .folder = folder, .wakeup = wakeup };
	TAILQ_INIT(&files->queue);
	TAILQ_INIT(&files->done);
	pthread_mutex_init(&files->lock, NULL);
	pthread_cond_init(&files->wanted, NULL);
	enum status status = thread_start("spool", STACK_SIZE, run_thread, files, &files->thread);
	if (status == STATUS_OK)
		return STATUS_OK;
	int error = errno;
	pthread_cond_destroy(&files->wanted);
	pthread_mutex_destroy(&files->lock);
	close(folder);
	errno = error;
	return status;
}

void spool_thread_stop(struct spool_thread *files)
{
	pthread_mutex_lock(&files->lock);
	files->ending = true;
	pthread_cond_signal(&files->wanted);
	pthread_mutex_unlock(&files->lock);
	pthread_join(files->thread, NULL);
}

void spool_thread_free(struct spool_thread *files)
{
	pthread_cond_destroy(&files->wanted);
	pthread_mutex_destroy(&files->lock);
	close(files->folder);
}

void spool_thread_give(struct spool_thread *files, struct spool_job *job)
{
	pthread_mutex_lock(&files->lock);
	TAILQ_INSERT_TAIL(&files->queue, job, in_queue);
	pthread_mutex_unlock(&files->lock);
	/* After the lock is released; otherwise the thread would wake only to wait for it. */
	pthread_cond_signal(&files->wanted);
}

void spool_thread_collect(struct spool_thread *files, struct spool_queue *out_done)
{
	TAILQ_INIT(out_done);
	pthread_mutex_lock(&files->lock);
	TAILQ_CONCAT(out_done, &files->done, in_queue);
	pthread_mutex_unlock(&files->lock);
}
