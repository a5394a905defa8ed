/*
 * The writer thread: takes batches, links their records, writes each batch with as few write(2) as the kernel allows,
 * syncs as configured, and hands it back. With a failing disk it tries again every second, from the byte that it got
 * to; nothing is dropped, for want of memory neither. Only this thread uses journal and chain.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_writer.h"
#include "base/clock.h"
#include "base/condition.h"
#include "base/thread.h"

#define IDLE_S 10                   /* then the thread looks at the disk, though there is nothing to write */
#define SAVE_BYTES (1U << 20)       /* the journal is saved once so much was written */
#define UNCLAIMED_BYTES (64U << 10) /* of records written without waking the loop; far below its backlog's maximum */
#define TEXT_KEPT (64U << 10)       /* bytes of memory for the text of a batch */
#define STACK_SIZE (256U << 10)     /* bytes */

/* What can't be noted, out of memory, leaves the journal as it is: a search then begins earlier. */
static void note_leavings(struct audit_writer *writer, const struct audit_batch *batch)
{
	uint64_t offset = writer->disk.file.began;
	if (offset == AUDIT_FILE_UNTOUCHED && audit_batch_has_leaving(batch))
		offset = audit_file_size(&writer->disk.file);
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

/* Nothing came for a while: makes safe what was written, and tries again what failed. */
static void settle_down(struct audit_writer *writer)
{
	bool synced = audit_disk_sync(&writer->disk) == STATUS_OK;
	audit_lines_save_journal(writer);
	writer->dirty = !synced || writer->write_error;
}

/* ---- batches */

static void wake_loop(struct audit_writer *writer)
{
	writer->unclaimed = 0;
	wakeup_send(writer->options.wakeup);
}

/*
 * Wakes the loop for whoever waits for nothing else. Records that nobody waits for so come back with the next batch,
 * once there are many, or when nothing has come for a while.
 */
static void finish_batch(struct audit_writer *writer, struct audit_batch *batch, enum status written)
{
	writer->unclaimed += buf_size(&batch->records);
	bool wake = batch->is_urgent || written != STATUS_OK || writer->unclaimed >= UNCLAIMED_BYTES;
	for (size_t i = 0; i < batch->waiter_count; i++)
		batch->waiters[i].written = written;
	pthread_mutex_lock(&writer->mutex);
	wake |= batch->waiter_count && batch->number <= writer->claimed;
	*writer->done_last = batch;
	writer->done_last = &batch->next;
	pthread_mutex_unlock(&writer->mutex);
	if (wake)
		wake_loop(writer);
}

/* Nothing came for a while: whatever is done goes back, so that nobody waits for long who has claimed nothing. */
static void give_back_rest(struct audit_writer *writer)
{
	pthread_mutex_lock(&writer->mutex);
	bool any = writer->done != NULL;
	pthread_mutex_unlock(&writer->mutex);
	if (any)
		wake_loop(writer);
}

/* Most batches fit into what is kept. */
static void empty_text(struct buf *text)
{
	if (text->capacity > TEXT_KEPT)
		buf_clear(text);
	else
		buf_truncate(text, 0);
}

static void write_batch(struct audit_writer *writer, struct audit_batch *batch)
{
	struct buf *text = &writer->text;
	enum status status = audit_lines_link(writer, batch, text);
	if (status == STATUS_OK)
		status = audit_lines_write(writer, batch, buf_span(text));
	note_leavings(writer, batch); /* where a write failed, too: some of its lines may be whole */
	if (status == STATUS_OK) {
		writer->dirty = true;
		note_outcomes(writer, batch);
		audit_signing_want(writer);
	} else {
		writer->ended = status;
	}
	if (status == STATUS_OK)
		status = audit_disk_sync_written(&writer->disk);
	writer->written += buf_size(text);
	empty_text(text);
	if (writer->written >= SAVE_BYTES)
		audit_lines_save_journal(writer);
	audit_lines_publish_health(writer); /* before those who wait hear of it */
	finish_batch(writer, batch, status);
}

/* How long to wait for a batch. */
static uint64_t patience_ms(const struct audit_writer *writer)
{
	uint64_t now = clock_monotonic_ms();
	if (writer->sign_at_ms)
		return writer->sign_at_ms > now ? writer->sign_at_ms - now : 0;
	return (writer->dirty ? AUDIT_RETRY_S : IDLE_S) * 1000U;
}

/* Waits, under the mutex, for a batch or the order to stop, or until there is something to sign or to settle. */
static void wait_for_work(struct audit_writer *writer)
{
	struct timespec until = condition_limit(patience_ms(writer));
	int failed = 0;
	while (writer->waiting == NULL && writer->next_fd < 0 && !writer->stop && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&writer->changed, &writer->mutex, &until);
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
	audit_signing_begin(writer);
	while (!stop) {
		life_begin(writer->sign, AUDIT_DISK_LIMIT_MS);
		audit_disk_look_at_space(&writer->disk);
		audit_lines_publish_health(writer);
		life_rest(writer->sign);
		struct audit_batch *batch = next_batch(writer, &stop);
		life_begin(writer->sign, AUDIT_DISK_LIMIT_MS);
		if (!stop)
			audit_change_file(writer);
		if (batch)
			write_batch(writer, batch);
		else
			give_back_rest(writer);
		if (audit_signing_is_due(writer) && !stop)
			audit_signing_run(writer);
		else if (batch == NULL && !stop && writer->dirty)
			settle_down(writer);
		audit_change_carry_open(writer);
	}
	audit_signing_end(writer);
	if (audit_disk_sync(&writer->disk) != STATUS_OK)
		writer->ended = STATUS_SYSTEM;
	return NULL;
}

enum status audit_writer_start(const struct audit_writer_options *options, struct audit_writer **out_writer)
{
	struct audit_writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return STATUS_NO_MEMORY;
	writer->options = *options;
	writer->health.free_bytes = AUDIT_SPACE_UNKNOWN;
	writer->next_fd = writer->deleted_fd = -1;
	buf_init(&writer->text, 2 * AUDIT_BACKLOG_MAXIMUM);
	audit_disk_begin(&writer->disk, options->fd, options->sync);
	writer->waiting_last = &writer->waiting;
	writer->done_last = &writer->done;
	pthread_mutex_init(&writer->mutex, NULL);
	condition_init(&writer->changed);
	enum status status = thread_start("audit", STACK_SIZE, run_writer, writer, &writer->thread);
	if (status != STATUS_OK) {
		free(writer);
		return status;
	}
	*out_writer = writer;
	return STATUS_OK;
}

void audit_writer_use_file(struct audit_writer *writer, int fd, struct span former_name)
{
	pthread_mutex_lock(&writer->mutex);
	if (writer->next_fd >= 0)
		close(writer->next_fd); /* nothing was written to that one */
	writer->next_fd = fd;
	snprintf(writer->former_name, sizeof(writer->former_name), "%.*s", SPAN_ARGS(former_name));
	pthread_mutex_unlock(&writer->mutex);
	pthread_cond_signal(&writer->changed);
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

void audit_writer_claim(struct audit_writer *writer, uint64_t number)
{
	pthread_mutex_lock(&writer->mutex);
	writer->claimed = number;
	pthread_mutex_unlock(&writer->mutex);
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

bool audit_writer_take_statement(struct audit_writer *writer, struct audit_statement *out_statement)
{
	pthread_mutex_lock(&writer->mutex);
	bool any = writer->has_statement;
	writer->has_statement = false;
	if (any)
		*out_statement = writer->statement;
	pthread_mutex_unlock(&writer->mutex);
	return any;
}

void audit_writer_read_health(struct audit_writer *writer, struct audit_health *out_health)
{
	pthread_mutex_lock(&writer->mutex);
	*out_health = writer->health;
	pthread_mutex_unlock(&writer->mutex);
}

enum status audit_writer_stop(struct audit_writer *writer)
{
	pthread_mutex_lock(&writer->mutex);
	writer->stop = true;
	pthread_cond_signal(&writer->changed);
	pthread_mutex_unlock(&writer->mutex);
	pthread_join(writer->thread, NULL);
	return writer->ended;
}

void audit_writer_free(struct audit_writer **writer_at)
{
	struct audit_writer *writer = *writer_at;
	struct audit_batch *batch;
	while ((batch = audit_writer_take_done(writer)) != NULL)
		audit_batch_free(&batch);
	audit_chain_drop(&writer->options.chain);
	buf_free(&writer->text);
	close(writer->disk.file.fd);
	if (writer->deleted_fd >= 0)
		close(writer->deleted_fd);
	if (writer->next_fd >= 0)
		close(writer->next_fd);
	pthread_mutex_destroy(&writer->mutex);
	pthread_cond_destroy(&writer->changed);
	free(writer);
	*writer_at = NULL;
}
