/* The file: reading on, loading, appending. Owns the descriptor and the table. */
#include "auth/app_password/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_SIZE 65536 /* bytes a pread; a whole line always fits */
#define TAIL_SIZE 512   /* bytes before the place where reading goes on: if they differ, the file is another one */

/* Invariant: `offset` is after the last line that was applied or skipped. */
struct password_file {
	int fd;
	uint64_t offset; /* bytes read */
	uint64_t lines;
	uint64_t skipped, skipped_line;
	bool is_in_line; /* one that is too long: its end is yet to come */
	size_t tail_size;
	char tail[TAIL_SIZE];
	struct timespec changed; /* when the file was, as of the last look */
	struct password_table *table;
	char scratch[CHANGE_SCRATCH];
};

struct reader {
	table_change_callback *on_change;
	void *context;
};

enum status file_open(int fd, struct password_file **out_file)
{
	struct password_file *file = calloc(1, sizeof(*file));
	enum status status = file ? table_create(&file->table) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		free(file);
		close(fd);
		return status;
	}
	file->fd = fd;
	*out_file = file;
	return STATUS_OK;
}

void file_close(struct password_file **file_at)
{
	struct password_file *file = *file_at;
	*file_at = NULL;
	if (file == NULL)
		return;
	table_free(&file->table);
	close(file->fd);
	explicit_bzero(file, sizeof(*file));
	free(file);
}

const struct password_table *file_table(const struct password_file *file)
{
	return file->table;
}

uint64_t file_skipped(const struct password_file *file, uint64_t *out_line)
{
	*out_line = file->skipped_line;
	return file->skipped;
}

/* ---- lines */

static void skip_line(struct password_file *file)
{
	file->skipped++;
	file->skipped_line = file->lines + 1;
}

static enum status apply_line(struct password_file *file, struct span line, const struct reader *reader)
{
	struct app_password_change change;
	struct app_password *changed = NULL;
	bool is_rest = file->is_in_line;
	file->is_in_line = false;
	enum status status = is_rest ? STATUS_INVALID : change_parse(line, file->scratch, &change);
	if (status == STATUS_OK)
		status = table_apply(file->table, &change, &changed);
	if (status == STATUS_INVALID)
		skip_line(file);
	else if (status != STATUS_OK && status != STATUS_NOT_FOUND) /* not found: revoked twice, as by two processes */
		return status;
	if (changed && reader->on_change)
		reader->on_change(reader->context, change.operation, changed);
	return STATUS_OK;
}

/* Applies the whole lines of `bytes`; *out_used bytes belong to them. */
static enum status apply_lines(struct password_file *file, struct span bytes, const struct reader *reader,
			       size_t *out_used)
{
	size_t used = 0;
	for (;;) {
		struct span rest = span_slice(bytes, used, bytes.size);
		size_t end = span_find_byte(rest, '\n');
		if (end == rest.size)
			break;
		TRY(apply_line(file, span_slice(rest, 0, end), reader));
		file->lines++;
		used += end + 1;
	}
	*out_used = used;
	return STATUS_OK;
}

static void keep_tail(struct password_file *file, struct span read)
{
	struct span tail = span_slice(read, read.size > TAIL_SIZE ? read.size - TAIL_SIZE : 0, read.size);
	memcpy(file->tail, tail.data, tail.size);
	file->tail_size = tail.size;
}

static enum status read_some(struct password_file *file, char *bytes, const struct reader *reader, size_t *out_used)
{
	ssize_t got = pread(file->fd, bytes, READ_SIZE, (off_t)file->offset);
	if (got < 0)
		return STATUS_SYSTEM;
	size_t used = 0;
	const struct span read = { bytes, (size_t)got };
	TRY(apply_lines(file, read, reader, &used));
	if (used == 0 && got == READ_SIZE) { /* longer than any line of ours */
		file->is_in_line = true;
		used = READ_SIZE;
	}
	if (used > 0)
		keep_tail(file, span_slice(read, 0, used));
	file->offset += used;
	*out_used = used;
	return STATUS_OK;
}

static enum status read_lines(struct password_file *file, const struct reader *reader)
{
	size_t used = 0;
	char *bytes = malloc(READ_SIZE);
	if (bytes == NULL)
		return STATUS_NO_MEMORY;
	enum status status;
	do
		status = read_some(file, bytes, reader, &used);
	while (status == STATUS_OK && used > 0);
	explicit_bzero(bytes, READ_SIZE);
	free(bytes);
	return status;
}

/* ---- whether it is the same file */

static bool ends_as_read(const struct password_file *file)
{
	char tail[TAIL_SIZE];
	off_t from = (off_t)(file->offset - file->tail_size);
	return pread(file->fd, tail, file->tail_size, from) == (ssize_t)file->tail_size &&
	       memcmp(tail, file->tail, file->tail_size) == 0;
}

static bool is_as_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

enum status file_read_on(struct password_file *file, table_change_callback *on_change, void *context)
{
	const struct reader reader = { on_change, context };
	struct stat now;
	if (fstat(file->fd, &now) != 0)
		return STATUS_SYSTEM;
	uint64_t size = (uint64_t)now.st_size;
	if (size == file->offset && is_as_before(&now.st_mtim, &file->changed))
		return STATUS_OK;
	bool was_edited = size == file->offset && size > 0; /* written to without growing */
	if (was_edited || size < file->offset || !ends_as_read(file))
		return STATUS_INVALID;
	TRY(read_lines(file, &reader));
	file->changed = now.st_mtim;
	return STATUS_OK;
}

/* ---- loading */

/* Locks the open file against other processes, or releases it: until then, whatever other descriptor is closed. */
static enum status lock_file(int fd, short type)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET };
	int result;
	do
		result = fcntl(fd, F_OFD_SETLKW, &range);
	while (result != 0 && errno == EINTR);
	return result == 0 ? STATUS_OK : STATUS_SYSTEM;
}

static bool says_something(struct password_file *file, size_t size)
{
	char line[CHANGE_LINE_MAXIMUM];
	struct app_password_change change;
	if (size >= sizeof(line) || pread(file->fd, line, size, (off_t)file->offset) != (ssize_t)size)
		return false;
	bool says = change_parse((struct span){ line, size }, file->scratch, &change) == STATUS_OK;
	explicit_bzero(line, sizeof(line));
	return says;
}

/*
 * An editor's last line may have no end. What says nothing may be the beginning of a line that somebody is writing, or
 * was when the system crashed: it stays, and whoever appends ends it.
 */
static enum status end_last_line(struct password_file *file)
{
	struct stat now;
	TRY(file_read_on(file, NULL, NULL));
	if (fstat(file->fd, &now) != 0)
		return STATUS_SYSTEM;
	uint64_t rest = (uint64_t)now.st_size - file->offset;
	if (rest == 0 || !says_something(file, rest))
		return STATUS_OK;
	return write(file->fd, "\n", 1) == 1 ? file_read_on(file, NULL, NULL) : STATUS_SYSTEM;
}

enum status file_load(struct password_file *file)
{
	TRY(lock_file(file->fd, F_WRLCK));
	enum status status = end_last_line(file);
	if (lock_file(file->fd, F_UNLCK) != STATUS_OK && status == STATUS_OK)
		return STATUS_SYSTEM;
	return status;
}

/* ---- appending */

static enum status look_at_file(int fd, struct stat *out_now)
{
	if (fstat(fd, out_now) != 0)
		return STATUS_SYSTEM;
	return out_now->st_nlink > 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

static bool ends_in_line(int fd, off_t size)
{
	char last = '\n';
	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static enum status write_lines(int fd, struct span lines)
{
	struct stat before, after;
	TRY(look_at_file(fd, &before));
	if (before.st_size + (off_t)lines.size + 1 > FILE_SIZE_MAXIMUM)
		return STATUS_TOO_LARGE;
	const struct iovec parts[] = {
		{ "\n", ends_in_line(fd, before.st_size) },
		{ (char *)lines.data, lines.size },
	};
	ssize_t wrote;
	do
		wrote = writev(fd, parts, 2);
	while (wrote < 0 && errno == EINTR);
	if (wrote == (ssize_t)(parts[0].iov_len + lines.size) && fdatasync(fd) == 0)
		return look_at_file(fd, &after);
	int error = errno;
	if (wrote > 0 && ftruncate(fd, before.st_size) != 0)
		error = errno;
	errno = error;
	return STATUS_SYSTEM;
}

int file_duplicate(const struct password_file *file)
{
	return fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
}

enum status file_append(int fd, struct span lines)
{
	TRY(lock_file(fd, F_WRLCK));
	enum status status = write_lines(fd, lines);
	int error = errno;
	if (lock_file(fd, F_UNLCK) != STATUS_OK && status == STATUS_OK)
		return STATUS_SYSTEM;
	errno = error;
	return status;
}
