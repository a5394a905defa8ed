/* The rows in memory, and the two files. Owns the rows and the descriptors. */
#include "quota/by_hand_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

#define FILE_MAXIMUM ((size_t)BY_HAND_ROWS_MAXIMUM * 1700)
#define HEAD_MAXIMUM 160 /* bytes */
#define VERSION "1"

/* ---- rows */

struct by_hand_kept *by_hand_file_find(const struct by_hand_file *file, struct span field)
{
	struct map_link *link = map_first(&file->map, map_hash_text(&file->map, field));
	for (; link; link = map_next(link)) {
		struct by_hand_kept *kept = MAP_OWNER(link, struct by_hand_kept, link);
		if (span_equal(kept->row.field, field))
			return kept;
	}
	return NULL;
}

static void free_row(struct by_hand_file *file, struct by_hand_kept *kept)
{
	map_remove(&file->map, &kept->link);
	TAILQ_REMOVE(&file->order, kept, in_order);
	free(kept);
}

void by_hand_file_drop(struct by_hand_file *file, struct by_hand_kept *kept)
{
	free_row(file, kept);
	file->is_dirty = true;
}

static struct by_hand_kept *make_row(struct span field, struct span value)
{
	struct by_hand_kept *kept = calloc(1, sizeof(*kept) + field.size + value.size);
	if (kept == NULL)
		return NULL;
	memcpy(kept->text, field.data, field.size);
	memcpy(kept->text + field.size, value.data, value.size);
	kept->value = (struct span){ kept->text + field.size, value.size };
	return kept;
}

enum status by_hand_file_put(struct by_hand_file *file, struct span field, struct span value,
			     struct by_hand_kept **out_kept)
{
	struct by_hand_row row;
	struct by_hand_kept *former = by_hand_file_find(file, field);
	if (!by_hand_read_row(field, value, &row))
		return STATUS_INVALID;
	if (former == NULL && file->map.count >= BY_HAND_ROWS_MAXIMUM)
		return STATUS_TOO_LARGE;
	struct by_hand_kept *kept = make_row(field, value);
	if (kept == NULL)
		return STATUS_NO_MEMORY;
	/* Once more, as views into the copy. */
	(void)by_hand_read_row((struct span){ kept->text, field.size }, kept->value, &kept->row);
	enum status status = map_add(&file->map, &kept->link, map_hash_text(&file->map, field));
	if (status != STATUS_OK) {
		free(kept);
		return status;
	}
	TAILQ_INSERT_TAIL(&file->order, kept, in_order);
	if (former)
		free_row(file, former);
	file->is_dirty = true;
	*out_kept = kept;
	return STATUS_OK;
}

/* ---- reading */

struct head {
	uint64_t generation;
	struct span body;
};

/* False: it is not whole. */
static bool read_head(struct span text, struct head *head)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	struct span line, version, generation;
	if (!span_cut(&text, '\n', &line) || !span_cut(&line, ' ', &version) || !span_equal(version, SPAN(VERSION)) ||
	    hash_sha256(text, digest) != STATUS_OK)
		return false;
	hash_to_hex(digest, sizeof(digest), hex);
	if (!span_equal(line, span_of(hex)) || !span_cut(&text, '\n', &generation))
		return false;
	head->body = text;
	return span_to_u64(generation, &head->generation) == STATUS_OK;
}

/* The caller frees *out_bytes. False: there is nothing that is whole. */
static bool read_bytes(int fd, char **out_bytes, struct head *head)
{
	struct stat stat;
	if (fd < 0 || fstat(fd, &stat) != 0 || stat.st_size <= 0 || (uint64_t)stat.st_size > FILE_MAXIMUM)
		return false;
	size_t size = (size_t)stat.st_size;
	char *bytes = malloc(size);
	if (bytes == NULL)
		return false;
	if (pread(fd, bytes, size, 0) != (ssize_t)size || !read_head((struct span){ bytes, size }, head)) {
		free(bytes);
		return false;
	}
	*out_bytes = bytes;
	return true;
}

/* Another process may know less of it than this one. */
static bool is_known(const struct by_hand_file *file, struct span field, struct span value)
{
	const struct by_hand_kept *kept = by_hand_file_find(file, field);
	struct by_hand_row row;
	return kept && by_hand_read_row(field, value, &row) && kept->row.version >= row.version;
}

static enum status take_rows(struct by_hand_file *file, const struct head *head)
{
	struct span rest = head->body, field, value;
	struct by_hand_kept *kept;
	while (span_cut(&rest, '\n', &field) && span_cut(&rest, '\n', &value)) {
		if (is_known(file, field, value))
			continue;
		enum status status = by_hand_file_put(file, field, value, &kept);
		if (status != STATUS_OK && status != STATUS_INVALID)
			return status;
	}
	file->generation = head->generation;
	return STATUS_OK;
}

static enum status read_files(struct by_hand_file *file)
{
	struct head heads[2] = { 0 };
	char *bytes[2] = { NULL, NULL };
	enum status status = STATUS_OK;
	for (size_t i = 0; i < 2; i++)
		if (!read_bytes(file->fds[i], &bytes[i], &heads[i]))
			heads[i] = (struct head){ 0 };
	size_t newer = heads[1].generation > heads[0].generation;
	if (bytes[newer])
		status = take_rows(file, &heads[newer]);
	free(bytes[0]);
	free(bytes[1]);
	return status;
}

enum status by_hand_file_open(struct by_hand_file *file, const int fds[2])
{
	*file = (struct by_hand_file){ .fds = { fds[0], fds[1] } };
	TAILQ_INIT(&file->order);
	enum status status = map_init(&file->map);
	if (status == STATUS_OK)
		status = read_files(file);
	file->is_dirty = false;
	if (status != STATUS_OK)
		by_hand_file_close(file);
	return status;
}

void by_hand_file_close(struct by_hand_file *file)
{
	struct by_hand_kept *kept;
	while ((kept = TAILQ_FIRST(&file->order)) != NULL)
		free_row(file, kept);
	map_free(&file->map);
	by_hand_file_drop_fds(file->fds);
	file->fds[0] = file->fds[1] = -1;
}

void by_hand_file_drop_fds(const int fds[2])
{
	for (size_t i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* ---- writing */

static enum status write_body(const struct by_hand_file *file, uint64_t generation, struct buf *body)
{
	TRY(buf_printf(body, "%" PRIu64 "\n", generation));
	for (const struct by_hand_kept *kept = TAILQ_FIRST(&file->order); kept; kept = TAILQ_NEXT(kept, in_order)) {
		TRY(buf_append(body, kept->row.field));
		TRY(buf_append_byte(body, '\n'));
		TRY(buf_append(body, kept->value));
		TRY(buf_append_byte(body, '\n'));
	}
	return STATUS_OK;
}

static enum status write_bytes(int fd, struct span bytes, off_t at)
{
	while (bytes.size) {
		ssize_t written = pwrite(fd, bytes.data, bytes.size, at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return STATUS_SYSTEM;
		at += written;
		bytes = span_slice(bytes, (size_t)written, bytes.size);
	}
	return STATUS_OK;
}

/* The head last: until then the file is not whole. */
static enum status write_file(int fd, struct span head, struct span body)
{
	if (ftruncate(fd, 0) != 0)
		return STATUS_SYSTEM;
	TRY(write_bytes(fd, body, (off_t)head.size));
	return write_bytes(fd, head, 0);
}

/* The other file, which stands meanwhile, is safe before this one is touched. */
static enum status write_safely(const struct by_hand_page *page)
{
	int fd = page->fds[page->generation % 2], other = page->fds[(page->generation + 1) % 2];
	if (page->generation > 1 && fdatasync(other) != 0)
		return STATUS_SYSTEM;
	TRY(write_file(fd, buf_span(&page->head), buf_span(&page->body)));
	return fdatasync(fd) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

static enum status set_lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return STATUS_OK;
	return errno == EAGAIN || errno == EACCES ? STATUS_AGAIN : STATUS_SYSTEM;
}

/* 0: neither is whole. */
static uint64_t read_generation(const int fds[2])
{
	uint64_t newest = 0;
	for (size_t i = 0; i < 2; i++) {
		struct head head;
		char *bytes = NULL;
		if (read_bytes(fds[i], &bytes, &head) && head.generation > newest)
			newest = head.generation;
		free(bytes);
	}
	return newest;
}

void by_hand_page_write(struct by_hand_page *page)
{
	page->status = set_lock(page->fds[0], F_WRLCK);
	page->error = errno;
	if (page->status != STATUS_OK)
		return;
	page->status = read_generation(page->fds) < page->generation ? write_safely(page) : STATUS_AGAIN;
	page->error = errno;
	if (set_lock(page->fds[0], F_UNLCK) != STATUS_OK && page->status == STATUS_OK)
		page->status = STATUS_SYSTEM;
}

static enum status compose_page(const struct by_hand_file *file, struct by_hand_page *page)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	TRY(write_body(file, page->generation, &page->body));
	TRY(hash_sha256(buf_span(&page->body), digest));
	hash_to_hex(digest, sizeof(digest), hex);
	return buf_printf(&page->head, VERSION " %s\n", hex);
}

static void free_page(struct by_hand_page *page)
{
	buf_free(&page->head);
	buf_free(&page->body);
}

enum status by_hand_file_begin_page(struct by_hand_file *file, struct by_hand_page *out_page)
{
	struct by_hand_page page = { .fds = { file->fds[0], file->fds[1] }, .generation = file->generation + 1 };
	if (!file->is_dirty || file->fds[0] < 0 || file->fds[1] < 0)
		return STATUS_END;
	buf_init(&page.head, HEAD_MAXIMUM);
	buf_init(&page.body, FILE_MAXIMUM);
	enum status status = compose_page(file, &page);
	if (status != STATUS_OK) {
		free_page(&page);
		return status;
	}
	file->is_dirty = false;
	*out_page = page;
	return STATUS_OK;
}

enum status by_hand_file_end_page(struct by_hand_file *file, struct by_hand_page *page)
{
	free_page(page);
	if (page->status == STATUS_OK) {
		file->generation = page->generation;
		return STATUS_OK;
	}
	/* What can't be read now is read with the next try. */
	(void)(page->status == STATUS_AGAIN && read_files(file) != STATUS_OK);
	file->is_dirty = true;
	return page->status;
}
