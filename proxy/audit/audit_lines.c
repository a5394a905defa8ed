/*
 * Lines on their way to a file that lasts: over a full disk, and from one file to the next, which the loop's thread
 * hands over when another one came into the place of ours. All of it runs on the writer's thread. Whoever waits for a
 * record hears it when the record can't be written now; the record stays, and is written when that is possible.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_writer.h"
#include "base/condition.h"

#define NEXT_FILE_TRIES 3 /* a deleted file has a successor by then, and nobody need hear of it */

/* ---- health */

void audit_lines_publish_health(struct audit_writer *writer)
{
	const struct audit_health health = {
		.error = writer->write_error ? writer->write_error : writer->disk.sync_error,
		.is_sync = writer->write_error == 0 && writer->disk.sync_error != 0,
		.sync_failures = writer->disk.sync_failures,
		.free_bytes = writer->disk.free_bytes,
	};
	pthread_mutex_lock(&writer->mutex);
	bool changed = !audit_health_equal(&health, &writer->health);
	writer->health = health;
	pthread_mutex_unlock(&writer->mutex);
	if (changed)
		wakeup_send(writer->options.wakeup);
}

void audit_lines_set_error(struct audit_writer *writer, int error)
{
	if (error == writer->write_error)
		return;
	writer->write_error = error;
	audit_lines_publish_health(writer);
}

void audit_lines_save_journal(struct audit_writer *writer)
{
	writer->written = 0;
	if (writer->journal_rests)
		return;
	bool is_saved = audit_journal_save(writer->options.journal, audit_file_size(&writer->disk.file)) == STATUS_OK;
	audit_lines_set_error(writer, is_saved ? 0 : errno ? errno : EIO);
}

/* ---- while a write fails */

/* Waits for a while, for the order to stop, or, `for_file`, for the file to go on in. True: stop. */
static bool wait_for_retry(struct audit_writer *writer, bool for_file)
{
	struct timespec until = condition_limit(AUDIT_RETRY_S * 1000U);
	int failed = 0;
	life_rest(writer->sign);
	pthread_mutex_lock(&writer->mutex);
	while (!writer->stop && !(for_file && writer->next_fd >= 0) && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&writer->changed, &writer->mutex, &until);
	bool stop = writer->stop;
	pthread_mutex_unlock(&writer->mutex);
	life_begin(writer->sign, AUDIT_DISK_LIMIT_MS);
	return stop;
}

/* Under the mutex. True: there are waiters, who hear now that their records are not written; the records stay. */
static bool give_up_waiters_of(struct audit_writer *writer, struct audit_batch *batch)
{
	struct audit_batch *news = batch ? audit_batch_take_waiters(batch) : NULL;
	if (news == NULL)
		return false;
	*writer->done_last = news;
	writer->done_last = &news->next;
	return true;
}

/* Of this batch, and of those that came after it. */
static void give_up_waiters(struct audit_writer *writer, struct audit_batch *batch)
{
	pthread_mutex_lock(&writer->mutex);
	bool any = give_up_waiters_of(writer, batch);
	for (struct audit_batch *later = writer->waiting; later; later = later->next)
		any |= give_up_waiters_of(writer, later);
	pthread_mutex_unlock(&writer->mutex);
	if (any)
		wakeup_send(writer->options.wakeup);
}

/* ---- the next file */

static bool is_same_file(int a, int b)
{
	struct stat of_a, of_b;
	return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

int audit_lines_take_next(struct audit_writer *writer, char out_former[AUDIT_NAME_SIZE])
{
	pthread_mutex_lock(&writer->mutex);
	int fd = writer->next_fd;
	writer->next_fd = -1;
	memcpy(out_former, writer->former_name, AUDIT_NAME_SIZE);
	pthread_mutex_unlock(&writer->mutex);
	if (fd < 0 || !is_same_file(fd, writer->disk.file.fd))
		return fd;
	close(fd);
	return -1;
}

void audit_lines_begin_file(struct audit_writer *writer, int fd)
{
	audit_file_begin(&writer->disk.file, fd);
	audit_journal_use_file(writer->options.journal, fd);
	writer->disk.looked_at_ms = 0;
	writer->dirty = true;
}

/*
 * The file was deleted: what was written into it from `until` on comes once more, and open messages before that have to
 * be carried. False: the next file is not here yet.
 */
static bool replace_deleted_file(struct audit_writer *writer, uint64_t until)
{
	char former_name[AUDIT_NAME_SIZE];
	int fd = audit_lines_take_next(writer, former_name);
	if (fd < 0)
		return false;
	int former = writer->disk.file.fd;
	audit_lines_begin_file(writer, fd);
	if (writer->deleted_fd >= 0) {
		close(former); /* deleted at once: it has nothing but what comes once more */
		return true;
	}
	writer->deleted_fd = former;
	writer->deleted_until = until;
	return true;
}

/* ---- linking */

enum status audit_lines_link(struct audit_writer *writer, struct audit_batch *batch, struct buf *out)
{
	bool is_last_try = false;
	if (writer->is_cut)
		return STATUS_SYSTEM;
	while (audit_batch_link(batch, &writer->options.chain, out) != STATUS_OK) {
		buf_clear(out);
		audit_lines_set_error(writer, ENOMEM);
		give_up_waiters(writer, batch);
		if (is_last_try) {
			writer->is_cut = true;
			return STATUS_SYSTEM;
		}
		is_last_try = wait_for_retry(writer, false);
	}
	return STATUS_OK;
}

/* ---- writing */

/* One try. 0: all of it is in a file that has a name. ENOENT: that has none any more. */
static int write_rest(struct audit_file *file, struct span *rest)
{
	while (rest->size) {
		ssize_t put = audit_file_write(file, *rest);
		if (put < 0 && errno == EINTR)
			continue;
		int error = put < 0 ? errno : put == 0 ? EIO : 0;
		if (error)
			return audit_file_is_deleted(file) ? ENOENT : error;
		*rest = span_slice(*rest, (size_t)put, rest->size);
	}
	return audit_file_rest(file) ? 0 : ENOENT;
}

enum status audit_lines_write(struct audit_writer *writer, struct audit_batch *batch, struct span lines)
{
	struct span rest = lines;
	struct audit_file *file = &writer->disk.file;
	bool is_last_try = false;
	int error;
	if (writer->is_cut)
		return STATUS_SYSTEM;
	file->began = AUDIT_FILE_UNTOUCHED;
	for (unsigned tries = 0; (error = write_rest(file, &rest)) != 0; tries++) {
		if (error == ENOENT && replace_deleted_file(writer, file->began)) {
			rest = lines;
			continue;
		}
		if (error != ENOENT || tries >= NEXT_FILE_TRIES) {
			audit_lines_set_error(writer, error);
			give_up_waiters(writer, batch);
		}
		if (is_last_try) {
			(void)!audit_file_rest(file);
			writer->is_cut = true;
			return STATUS_SYSTEM;
		}
		is_last_try = wait_for_retry(writer, error == ENOENT);
	}
	audit_lines_set_error(writer, 0);
	return STATUS_OK;
}
