/* Whoever changes the file locks it for that long; whoever makes the calls holds a lock past its end. */
#include "export/webhook_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLDER_OFFSET (1U << 30)
#define LOCK_TRIES 100
#define LOCK_REST_US 10000
#define MARK_SIZE 3                               /* bytes: "W1 " */
#define FILE_MAXIMUM (2U * WEBHOOK_SPOOL_MAXIMUM) /* bytes, with those that are done */

static bool set_lock(int fd, short type, off_t start)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1 };
	int result;
	do
		result = fcntl(fd, F_SETLK, &lock);
	while (result != 0 && errno == EINTR);
	return result == 0;
}

/* Others change the file within a moment, or hang. */
static enum status lock_file(int fd)
{
	for (unsigned tries = 0; tries < LOCK_TRIES; tries++) {
		if (set_lock(fd, F_WRLCK, 0))
			return STATUS_OK;
		if (errno != EAGAIN && errno != EACCES)
			return STATUS_SYSTEM;
		usleep(LOCK_REST_US);
	}
	return STATUS_AGAIN;
}

bool webhook_spool_hold(struct webhook_spool *spool)
{
	if (!spool->is_held)
		spool->is_held = set_lock(spool->fd, F_WRLCK, HOLDER_OFFSET);
	return spool->is_held;
}

void webhook_spool_release(struct webhook_spool *spool)
{
	if (spool->is_held)
		(void)set_lock(spool->fd, F_UNLCK, HOLDER_OFFSET);
	spool->is_held = false;
}

/* ---- the file as it is */

static enum status read_file(int fd, struct buf *out)
{
	for (;;) {
		char *at;
		TRY(buf_reserve(out, WEBHOOK_BODY_MAXIMUM, &at));
		ssize_t got = pread(fd, at, WEBHOOK_BODY_MAXIMUM, (off_t)buf_size(out));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? STATUS_SYSTEM : STATUS_OK;
		buf_commit(out, (size_t)got);
	}
}

/* Cuts the next line that waits; what a dead process left torn, and what is done, is passed over. */
static bool cut_waiting(struct span *rest, struct span *out_line)
{
	while (rest->size) {
		size_t end = span_find_byte(*rest, '\n');
		struct span line = span_slice(*rest, 0, end);
		bool is_whole = end < rest->size;
		*rest = span_slice(*rest, end + 1, rest->size);
		if (is_whole && line.size > MARK_SIZE && span_starts_with(line, SPAN("W1 "))) {
			*out_line = line;
			return true;
		}
	}
	return false;
}

static enum status write_all(int fd, struct span bytes, uint64_t offset)
{
	while (bytes.size) {
		ssize_t put = pwrite(fd, bytes.data, bytes.size, (off_t)offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return STATUS_SYSTEM;
		bytes = span_slice(bytes, (size_t)put, bytes.size);
		offset += (uint64_t)put;
	}
	return STATUS_OK;
}

/* ---- changes, under the lock */

/* Those that wait, and the new one after them; the oldest make room. */
static enum status gather_lines(struct span file, struct span body, struct buf *out, size_t *out_dropped)
{
	struct span rest = file, line;
	size_t waiting = body.size + MARK_SIZE + 1;
	while (cut_waiting(&rest, &line))
		waiting += line.size + 1;
	rest = file;
	while (cut_waiting(&rest, &line)) {
		if (waiting > WEBHOOK_SPOOL_MAXIMUM) {
			waiting -= line.size + 1;
			(*out_dropped)++;
			continue;
		}
		TRY(buf_append(out, line));
		TRY(buf_append_byte(out, '\n'));
	}
	TRY(buf_append(out, SPAN("W1 ")));
	TRY(buf_append(out, body));
	return buf_append_byte(out, '\n');
}

/* Written anew, from its beginning. A process that dies meanwhile leaves a torn line. */
static enum status rewrite_file(int fd, struct span file, struct span body, size_t *out_dropped)
{
	struct buf lines BUF_AUTO;
	buf_init(&lines, FILE_MAXIMUM + WEBHOOK_BODY_MAXIMUM);
	TRY(gather_lines(file, body, &lines, out_dropped));
	TRY(write_all(fd, buf_span(&lines), 0));
	return ftruncate(fd, (off_t)buf_size(&lines)) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

static enum status append_line(int fd, struct span file, struct span body)
{
	struct buf line BUF_AUTO;
	buf_init(&line, WEBHOOK_BODY_MAXIMUM + 16);
	if (file.size && file.data[file.size - 1] != '\n')
		TRY(buf_append_byte(&line, '\n'));
	TRY(buf_append(&line, SPAN("W1 ")));
	TRY(buf_append(&line, body));
	TRY(buf_append_byte(&line, '\n'));
	return write_all(fd, buf_span(&line), file.size);
}

static enum status add_locked(struct webhook_spool *spool, struct span body, size_t *out_dropped)
{
	struct buf file BUF_AUTO;
	buf_init(&file, FILE_MAXIMUM + 4 * WEBHOOK_BODY_MAXIMUM);
	TRY(read_file(spool->fd, &file));
	if (buf_size(&file) + body.size < WEBHOOK_SPOOL_MAXIMUM)
		return append_line(spool->fd, buf_span(&file), body);
	return rewrite_file(spool->fd, buf_span(&file), body, out_dropped);
}

enum status webhook_spool_add(struct webhook_spool *spool, struct span body, size_t *out_dropped)
{
	*out_dropped = 0;
	if (span_contains_byte(body, '\n') || body.size > WEBHOOK_BODY_MAXIMUM)
		return STATUS_INVALID;
	TRY(lock_file(spool->fd));
	enum status status = add_locked(spool, body, out_dropped);
	(void)set_lock(spool->fd, F_UNLCK, 0);
	return status;
}

static enum status take_first(struct span file, struct buf *out_body)
{
	struct span line;
	if (!cut_waiting(&file, &line))
		return STATUS_END;
	return buf_append(out_body, span_slice(line, MARK_SIZE, line.size));
}

enum status webhook_spool_first(struct webhook_spool *spool, struct buf *out_body)
{
	struct buf file BUF_AUTO;
	buf_init(&file, FILE_MAXIMUM + 4 * WEBHOOK_BODY_MAXIMUM);
	TRY(lock_file(spool->fd));
	enum status status = read_file(spool->fd, &file);
	(void)set_lock(spool->fd, F_UNLCK, 0);
	return status == STATUS_OK ? take_first(buf_span(&file), out_body) : status;
}

static enum status mark_done(int fd, struct span file, struct span body)
{
	struct span rest = file, line;
	size_t others = 0;
	uint64_t place = file.size;
	while (cut_waiting(&rest, &line)) {
		if (place == file.size && span_equal(span_slice(line, MARK_SIZE, line.size), body))
			place = (uint64_t)(line.data - file.data);
		else
			others++;
	}
	if (others == 0)
		return ftruncate(fd, 0) == 0 ? STATUS_OK : STATUS_SYSTEM;
	return place < file.size ? write_all(fd, SPAN("D"), place) : STATUS_OK;
}

enum status webhook_spool_done(struct webhook_spool *spool, struct span body)
{
	struct buf file BUF_AUTO;
	buf_init(&file, FILE_MAXIMUM + 4 * WEBHOOK_BODY_MAXIMUM);
	TRY(lock_file(spool->fd));
	enum status status = read_file(spool->fd, &file);
	if (status == STATUS_OK)
		status = mark_done(spool->fd, buf_span(&file), body);
	(void)set_lock(spool->fd, F_UNLCK, 0);
	return status;
}

enum status webhook_spool_postpone(struct webhook_spool *spool, struct span body, size_t *out_dropped)
{
	TRY(webhook_spool_add(spool, body, out_dropped));
	return webhook_spool_done(spool, body);
}
