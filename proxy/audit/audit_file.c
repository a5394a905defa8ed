/*
 * The end of the audit file, which the old and the new relay of a reload share. Whoever writes there holds a lock on
 * the file, and keeps it as long as the line is not whole (a full disk), so that no line ever holds bytes of two
 * processes. The kernel drops the lock with its process; whoever has it next ends the line that was left.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit_private.h"

#define LOCK_TRIES 1000     /* then the other one waits for its disk, or hangs */
#define LOCK_PAUSE_US 1000U /* a batch is written in less */

/* Of the process, not of the descriptor, which the supervisor has too: it must not outlive us. */
static int set_lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	return fcntl(fd, F_SETLK, &lock);
}

static bool is_held_by_another(void)
{
	return errno == EAGAIN || errno == EACCES || errno == EINTR;
}

static enum status take_lock(struct audit_file *file)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_US * 1000L };
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (set_lock(file->fd, F_WRLCK) == 0) {
			file->is_locked = true;
			return STATUS_OK;
		}
		if (!is_held_by_another())
			return STATUS_SYSTEM;
		nanosleep(&pause, NULL);
	}
	errno = EBUSY;
	return STATUS_SYSTEM;
}

static void drop_lock(struct audit_file *file)
{
	int before = errno;
	(void)set_lock(file->fd, F_UNLCK);
	file->is_locked = false;
	errno = before;
}

/* A line that a dead process left torn gets an end, so that ours begins a new one. `size`: of the file. */
static enum status end_torn_line(const struct audit_file *file, uint64_t size)
{
	char last;
	if (size == 0 || size == file->end) /* none, or the end that we left whole */
		return STATUS_OK;
	if (pread(file->fd, &last, 1, (off_t)size - 1) != 1)
		return STATUS_SYSTEM;
	return last == '\n' || write(file->fd, "\n", 1) == 1 ? STATUS_OK : STATUS_SYSTEM;
}

/* Devices have no end to share. */
static enum status begin_line(struct audit_file *file)
{
	struct stat about;
	if (!file->is_regular)
		return STATUS_OK;
	TRY(take_lock(file));
	/* Now that nobody else writes: its size may have changed while we waited. */
	if (fstat(file->fd, &about) != 0)
		return STATUS_SYSTEM;
	TRY(end_torn_line(file, (uint64_t)about.st_size));
	if (file->began == AUDIT_FILE_UNTOUCHED)
		file->began = (uint64_t)about.st_size;
	return STATUS_OK;
}

void audit_file_begin(struct audit_file *file, int fd)
{
	struct stat about = { 0 };
	bool is_known = fstat(fd, &about) == 0;
	*file = (struct audit_file){
		.fd = fd,
		.is_regular = !is_known || S_ISREG(about.st_mode),
		.had_name = is_known && about.st_nlink > 0,
		.began = AUDIT_FILE_UNTOUCHED,
	};
}

bool audit_file_is_deleted(const struct audit_file *file)
{
	struct stat about;
	return file->had_name && fstat(file->fd, &about) == 0 && about.st_nlink == 0;
}

uint64_t audit_file_size(const struct audit_file *file)
{
	struct stat about;
	return fstat(file->fd, &about) == 0 ? (uint64_t)about.st_size : 0;
}

ssize_t audit_file_write(struct audit_file *file, struct span text)
{
	if (!file->is_locked && begin_line(file) != STATUS_OK) {
		if (file->is_locked)
			drop_lock(file);
		return -1;
	}
	ssize_t put = write(file->fd, text.data, text.size);
	if (put > 0)
		file->is_within_line = text.data[put - 1] != '\n';
	else if (file->is_locked && !file->is_within_line)
		drop_lock(file);
	return put;
}

bool audit_file_rest(struct audit_file *file)
{
	struct stat about;
	bool is_known = fstat(file->fd, &about) == 0;
	file->end = is_known && !file->is_within_line ? (uint64_t)about.st_size : 0;
	file->is_within_line = false;
	if (file->is_locked)
		drop_lock(file);
	return !(is_known && file->had_name && about.st_nlink == 0);
}
