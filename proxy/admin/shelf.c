/*
 * Owns nothing between calls. A file that is being written has another name, and takes its place only once it is on the
 * disk.
 */
#include "admin/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAXIMUM_SIZE 64 /* bytes of a file's name and its ending */
/* The lock's holder only reads and writes one small file. */
#define LOCK_MS 10000U
#define LOCK_PAUSE_MS 20U

static struct shelf_mark mark_of(const struct stat *info)
{
	return (struct shelf_mark){
		.inode = info->st_ino,
		.size = (uint64_t)info->st_size,
		.changed = info->st_mtim,
	};
}

bool shelf_same(const struct shelf_mark *a, const struct shelf_mark *b)
{
	return a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

enum status shelf_look(int folder, const char *name, struct shelf_mark *out_mark)
{
	struct stat info;
	if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0)
		*out_mark = mark_of(&info);
	else if (errno == ENOENT)
		*out_mark = (struct shelf_mark){ 0 };
	else
		return STATUS_SYSTEM;
	return STATUS_OK;
}

/* ---- reading */

static enum status read_all(int fd, struct buf *out_text)
{
	char *at = NULL;
	ssize_t got;
	do {
		TRY(buf_reserve(out_text, 4096, &at));
		got = read(fd, at, 4096);
		if (got > 0)
			buf_commit(out_text, (size_t)got);
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 ? STATUS_SYSTEM : STATUS_OK;
}

enum status shelf_read(int folder, const char *name, struct buf *out_text, struct shelf_mark *out_mark)
{
	struct stat info;
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) {
		*out_mark = (struct shelf_mark){ 0 };
		return STATUS_OK;
	}
	if (fd < 0)
		return STATUS_SYSTEM;
	enum status status = fstat(fd, &info) == 0 ? STATUS_OK : STATUS_SYSTEM;
	if (status == STATUS_OK && (!S_ISREG(info.st_mode) || info.st_size > (off_t)SHELF_FILE_MAXIMUM))
		status = STATUS_TOO_LARGE;
	if (status == STATUS_OK)
		status = read_all(fd, out_text);
	if (status == STATUS_OK)
		*out_mark = mark_of(&info);
	int error = errno;
	close(fd);
	errno = error;
	return status;
}

/* ---- replacing */

static enum status write_all(int fd, struct span text)
{
	while (text.size > 0) {
		ssize_t wrote = write(fd, text.data, text.size);
		if (wrote < 0 && errno != EINTR)
			return STATUS_SYSTEM;
		if (wrote > 0)
			text = span_slice(text, (size_t)wrote, text.size);
	}
	return fsync(fd) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

static enum status fill_file(int folder, const char *name, struct span text, struct shelf_mark *out_mark)
{
	struct stat info;
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return STATUS_SYSTEM;
	enum status status = write_all(fd, text);
	if (status == STATUS_OK && fstat(fd, &info) != 0)
		status = STATUS_SYSTEM;
	int error = errno;
	close(fd);
	errno = error;
	if (status == STATUS_OK)
		*out_mark = mark_of(&info);
	return status;
}

enum status shelf_replace(int folder, const char *name, struct span text, struct shelf_mark *out_mark)
{
	char next[NAME_MAXIMUM_SIZE];
	struct shelf_mark mark;
	if (text.size > SHELF_FILE_MAXIMUM)
		return STATUS_TOO_LARGE;
	snprintf(next, sizeof(next), "%s.next", name);
	(void)unlinkat(folder, next, 0); /* of somebody who died at it */
	enum status status = fill_file(folder, next, text, &mark);
	if (status == STATUS_OK && renameat(folder, next, folder, name) != 0)
		status = STATUS_SYSTEM;
	if (status != STATUS_OK) {
		int error = errno;
		(void)unlinkat(folder, next, 0);
		errno = error;
		return status;
	}
	*out_mark = mark;
	return fsync(folder) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

/* ---- the lock */

enum status shelf_lock(int folder, const char *name, int *out_lock)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	char path[NAME_MAXIMUM_SIZE];
	snprintf(path, sizeof(path), "%s.lock", name);
	int fd = openat(folder, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return STATUS_SYSTEM;
	for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += LOCK_PAUSE_MS) {
		if (errno == EWOULDBLOCK && waited < LOCK_MS) {
			nanosleep(&pause, NULL);
			continue;
		}
		enum status status = errno == EWOULDBLOCK ? STATUS_TIMEOUT : STATUS_SYSTEM;
		close(fd);
		return status;
	}
	*out_lock = fd;
	return STATUS_OK;
}

void shelf_unlock(int lock)
{
	close(lock);
}
