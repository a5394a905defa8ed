/*
 * The writer thread: takes batches, links their records, writes each batch with as few write(2) as the kernel allows,
 * syncs as configured, and hands it back. With a failing disk it tries again every second, from the byte that it got
 * to; nothing is dropped. Only this thread uses journal and chain.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit_private.h"
#include "base/clock.h"
#include "base/thread.h"
#include "stats/life.h"

#define RETRY_S 1                   /* between two tries to write to a failing disk */
#define SYNC_MS 1000                /* sync = "interval" */
#define SAVE_BYTES (1U << 20)       /* the journal is saved once so much was written */
#define UNCLAIMED_BYTES (64U << 10) /* of records written without waking the loop; far below its backlog's maximum */
#define DISK_LIMIT_MS 10000         /* for one batch, one sync: a disk that takes longer is shown as hanging */
#define STACK_SIZE (256U << 10)     /* bytes */

/* Shared with the loop's thread, under `mutex`: from `waiting` to `stop`. */
struct audit_writer {
	struct audit_writer_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct audit_batch *waiting, **waiting_last;
	struct audit_batch *done, **done_last;
	int trouble; /* errno of the last write, 0: none */
	bool stop;
	/* The thread's own. */
	struct audit_file file;
	struct life_thread *sign;
	uint64_t written; /* bytes, since the journal was saved */
	size_t unclaimed; /* bytes of records, since the loop was last woken */
	uint64_t synced_at_ms;
	bool dirty;         /* written since the thread was last idle for a second */
	bool journal_rests; /* a leaving is missing in it: never saved again */
	enum status ended;
};

void audit_batch_free(struct audit_batch **batch)
{
	if (*batch == NULL)
		return;
	buf_free(&(*batch)->records);
	free((*batch)->waiters);
	free((*batch)->notes);
	free(*batch);
	*batch = NULL;
}

static uint64_t file_size(int fd)
{
	struct stat file;
	return fstat(fd, &file) == 0 ? (uint64_t)file.st_size : 0;
}

static void set_trouble(struct audit_writer *writer, int trouble)
{
	pthread_mutex_lock(&writer->mutex);
	bool changed = (writer->trouble == 0) != (trouble == 0);
	writer->trouble = trouble;
	pthread_mutex_unlock(&writer->mutex);
	if (changed)
		wakeup_send(writer->options.wakeup);
}

/* Waits for RETRY_S or for the order to stop. True: stop. */
static bool wait_for_retry(struct audit_writer *writer)
{
	struct timespec until;
	life_rest(writer->sign);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RETRY_S;
	pthread_mutex_lock(&writer->mutex);
	while (!writer->stop && pthread_cond_timedwait(&writer->changed, &writer->mutex, &until) != ETIMEDOUT)
		;
	bool stop = writer->stop;
	pthread_mutex_unlock(&writer->mutex);
	life_begin(writer->sign, DISK_LIMIT_MS);
	return stop;
}

/* Whoever waits for records of this batch hears now that they are not written; the records stay. */
static void give_up_waiters(struct audit_writer *writer, struct audit_batch *batch)
{
	struct audit_batch *news = calloc(1, sizeof(*news));
	if (news == NULL || batch->waiter_count == 0) {
		free(news);
		return;
	}
	news->waiters = batch->waiters;
	news->waiter_count = batch->waiter_count;
	for (size_t i = 0; i < news->waiter_count; i++)
		news->waiters[i].written = STATUS_SYSTEM;
	batch->waiters = NULL;
	batch->waiter_count = 0;
	pthread_mutex_lock(&writer->mutex);
	*writer->done_last = news;
	writer->done_last = &news->next;
	pthread_mutex_unlock(&writer->mutex);
	wakeup_send(writer->options.wakeup);
}

/* Writes all of `text`, trying as long as it takes. STATUS_SYSTEM: told to stop, and the last try failed. */
static enum status write_all(struct audit_writer *writer, struct audit_batch *batch, struct span text)
{
	bool is_last_try = false;
	while (text.size) {
		ssize_t put = audit_file_write(&writer->file, text);
		if (put > 0) {
			text = span_slice(text, (size_t)put, text.size);
			continue;
		}
		if (put < 0 && errno == EINTR)
			continue;
		set_trouble(writer, put < 0 ? errno : EIO);
		give_up_waiters(writer, batch);
		if (is_last_try)
			break;
		is_last_try = wait_for_retry(writer);
	}
	audit_file_rest(&writer->file);
	if (text.size)
		return STATUS_SYSTEM;
	set_trouble(writer, 0);
	return STATUS_OK;
}

static enum status link_records(struct audit_writer *writer, const struct audit_batch *batch, struct buf *out)
{
	struct span rest = buf_span(&batch->records);
	while (rest.size) {
		uint32_t size;
		memcpy(&size, rest.data, sizeof(size));
		struct span record = span_slice(rest, sizeof(size), sizeof(size) + size);
		TRY(audit_chain_link(&writer->options.chain, record, out));
		rest = span_slice(rest, sizeof(size) + size, rest.size);
	}
	return STATUS_OK;
}

static bool has_leaving(const struct audit_batch *batch)
{
	for (size_t i = 0; i < batch->note_count; i++)
		if (batch->notes[i].leaving)
			return true;
	return false;
}

/* What can't be noted, out of memory, leaves the journal as it is: a search then begins earlier. */
static void note_leavings(struct audit_writer *writer, const struct audit_batch *batch)
{
	/* Another process may append, too: our records will be at this size or after it. */
	uint64_t offset = has_leaving(batch) ? file_size(writer->options.fd) : 0;
	for (size_t i = 0; i < batch->note_count; i++) {
		if (batch->notes[i].leaving &&
		    audit_journal_leave(writer->options.journal, batch->notes[i].message, offset) != STATUS_OK)
			writer->journal_rests = true;
	}
}

static void note_outcomes(struct audit_writer *writer, const struct audit_batch *batch)
{
	for (size_t i = 0; i < batch->note_count; i++) {
		if (!batch->notes[i].leaving)
			audit_journal_settle(writer->options.journal, batch->notes[i].message);
	}
}

static enum status sync_as_configured(struct audit_writer *writer)
{
	uint64_t now = clock_monotonic_ms();
	bool due = writer->options.sync == AUDIT_SYNC_ALWAYS ||
		   (writer->options.sync == AUDIT_SYNC_INTERVAL && now - writer->synced_at_ms >= SYNC_MS);
	if (!due)
		return STATUS_OK;
	writer->synced_at_ms = now;
	return fdatasync(writer->options.fd) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

static void save_journal(struct audit_writer *writer)
{
	writer->written = 0;
	if (!writer->journal_rests &&
	    audit_journal_save(writer->options.journal, file_size(writer->options.fd)) != STATUS_OK)
		set_trouble(writer, errno ? errno : EIO);
}

/* Nothing came for a second: make safe what was written. */
static void settle_down(struct audit_writer *writer)
{
	writer->dirty = false;
	if (sync_as_configured(writer) != STATUS_OK)
		set_trouble(writer, errno);
	save_journal(writer);
}

/*
 * Wakes the loop for whoever waits. Records that nobody waits for come back with the next batch, or once there are
 * many.
 */
static void finish_batch(struct audit_writer *writer, struct audit_batch *batch, enum status written)
{
	writer->unclaimed += buf_size(&batch->records);
	bool wake = batch->waiter_count || written != STATUS_OK || writer->unclaimed >= UNCLAIMED_BYTES;
	for (size_t i = 0; i < batch->waiter_count; i++)
		batch->waiters[i].written = written;
	pthread_mutex_lock(&writer->mutex);
	*writer->done_last = batch;
	writer->done_last = &batch->next;
	pthread_mutex_unlock(&writer->mutex);
	if (!wake)
		return;
	writer->unclaimed = 0;
	wakeup_send(writer->options.wakeup);
}

static void write_batch(struct audit_writer *writer, struct audit_batch *batch)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 2 * AUDIT_BACKLOG_MAXIMUM);
	note_leavings(writer, batch);
	enum status status = link_records(writer, batch, &text);
	if (status == STATUS_OK)
		status = write_all(writer, batch, buf_span(&text));
	if (status == STATUS_OK) {
		writer->dirty = true;
		status = sync_as_configured(writer);
		note_outcomes(writer, batch);
	}
	writer->written += buf_size(&text);
	if (writer->written >= SAVE_BYTES)
		save_journal(writer);
	if (status != STATUS_OK)
		writer->ended = status;
	finish_batch(writer, batch, status);
}

/* Waits, under the mutex, for a batch or the order to stop; a second at most while there is something to settle. */
static void wait_for_work(struct audit_writer *writer)
{
	struct timespec until;
	int failed = 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	while (writer->waiting == NULL && !writer->stop && failed != ETIMEDOUT) {
		if (writer->dirty)
			failed = pthread_cond_timedwait(&writer->changed, &writer->mutex, &until);
		else
			failed = pthread_cond_wait(&writer->changed, &writer->mutex);
	}
}

/* The next batch; NULL when there is none for now, or ever (*out_stop). */
static struct audit_batch *next_batch(struct audit_writer *writer, bool *out_stop)
{
	pthread_mutex_lock(&writer->mutex);
	wait_for_work(writer);
	struct audit_batch *batch = writer->waiting;
	if (batch) {
		writer->waiting = batch->next;
		batch->next = NULL;
		if (writer->waiting == NULL)
			writer->waiting_last = &writer->waiting;
	}
	*out_stop = batch == NULL && writer->stop;
	pthread_mutex_unlock(&writer->mutex);
	return batch;
}

static void *run_writer(void *context)
{
	struct audit_writer *writer = context;
	bool stop = false;
	writer->sign = life_join(LIFE_AUDIT);
	while (!stop) {
		life_rest(writer->sign);
		struct audit_batch *batch = next_batch(writer, &stop);
		life_begin(writer->sign, DISK_LIMIT_MS);
		if (batch) {
			write_batch(writer, batch);
		} else if (!stop) {
			settle_down(writer);
		}
	}
	if (writer->options.sync != AUDIT_SYNC_NONE && fdatasync(writer->options.fd) != 0)
		writer->ended = STATUS_SYSTEM;
	return NULL;
}

enum status audit_writer_start(const struct audit_writer_options *options, struct audit_writer **out_writer)
{
	struct audit_writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return STATUS_NO_MEMORY;
	writer->options = *options;
	writer->file.fd = options->fd;
	writer->waiting_last = &writer->waiting;
	writer->done_last = &writer->done;
	pthread_mutex_init(&writer->mutex, NULL);
	pthread_cond_init(&writer->changed, NULL);
	enum status status = thread_start("audit", STACK_SIZE, run_writer, writer, &writer->thread);
	if (status != STATUS_OK) {
		free(writer);
		return status;
	}
	*out_writer = writer;
	return STATUS_OK;
}

void audit_writer_put(struct audit_writer *writer, struct audit_batch *batch)
{
	assert(batch->next == NULL);
	pthread_mutex_lock(&writer->mutex);
	*writer->waiting_last = batch;
	writer->waiting_last = &batch->next;
	pthread_mutex_unlock(&writer->mutex);
	/* After the lock is released; otherwise the thread wakes only to wait for it. */
	pthread_cond_signal(&writer->changed);
}

struct audit_batch *audit_writer_take_done(struct audit_writer *writer)
{
	pthread_mutex_lock(&writer->mutex);
	struct audit_batch *batch = writer->done;
	if (batch) {
		writer->done = batch->next;
		batch->next = NULL;
		if (writer->done == NULL)
			writer->done_last = &writer->done;
	}
	pthread_mutex_unlock(&writer->mutex);
	return batch;
}

int audit_writer_trouble(struct audit_writer *writer)
{
	pthread_mutex_lock(&writer->mutex);
	int trouble = writer->trouble;
	pthread_mutex_unlock(&writer->mutex);
	return trouble;
}

enum status audit_writer_stop(struct audit_writer **writer_at)
{
	struct audit_writer *writer = *writer_at;
	struct audit_batch *batch;
	pthread_mutex_lock(&writer->mutex);
	writer->stop = true;
	pthread_cond_signal(&writer->changed);
	pthread_mutex_unlock(&writer->mutex);
	pthread_join(writer->thread, NULL);
	while ((batch = audit_writer_take_done(writer)) != NULL)
		audit_batch_free(&batch);
	enum status ended = writer->ended;
	pthread_mutex_destroy(&writer->mutex);
	pthread_cond_destroy(&writer->changed);
	free(writer);
	*writer_at = NULL;
	return ended;
}
