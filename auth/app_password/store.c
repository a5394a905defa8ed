/* The file store of app passwords: loading, looking up, appending. */
#include "auth/app_password/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/app_password/line.h"

#define READ_SIZE 65536 /* bytes a pread; a whole line always fits */

/* Invariant: every record stands in both tables; `offset` is after the last line applied. */
struct app_password_store {
	int fd;
	uint64_t offset; /* bytes of the file applied */
	uint64_t lines;
	bool stopped; /* a line could not be read */
	struct map by_id;
	struct map by_user;
};

static struct app_password_record *record_by_id(const struct app_password_store *store, const char *id)
{
	struct map_link *link = map_first(&store->by_id, map_hash_text(&store->by_id, span_of(id)));
	for (; link; link = map_next(link)) {
		struct app_password_record *record = MAP_OWNER(link, struct app_password_record, by_id);
		if (span_equal(span_of(record->id), span_of(id)))
			return record;
	}
	return NULL;
}

static void free_record(struct app_password_record *record)
{
	explicit_bzero(record, sizeof(*record));
	free(record);
}

static void forget_record(struct app_password_store *store, struct app_password_record *record)
{
	map_remove(&store->by_id, &record->by_id);
	map_remove(&store->by_user, &record->by_user);
	free_record(record);
}

static enum status insert_record(struct app_password_store *store, const struct app_password_record *from)
{
	if (record_by_id(store, from->id))
		return STATUS_INVALID;
	struct app_password_record *record = malloc(sizeof(*record));
	if (record == NULL)
		return STATUS_NO_MEMORY;
	*record = *from;
	enum status status = map_add(&store->by_id, &record->by_id, map_hash_text(&store->by_id, span_of(record->id)));
	if (status != STATUS_OK) {
		free_record(record);
		return status;
	}
	status = map_add(&store->by_user, &record->by_user, map_hash_text(&store->by_user, span_of(record->user)));
	if (status != STATUS_OK) {
		map_remove(&store->by_id, &record->by_id);
		free_record(record);
	}
	return status;
}

static enum status apply_line(struct app_password_store *store, struct span line)
{
	enum store_operation operation = STORE_REVOKE;
	struct app_password_record parsed;
	TRY(store_parse_line(line, &operation, &parsed));
	if (operation == STORE_CREATE)
		return insert_record(store, &parsed);
	struct app_password_record *record = record_by_id(store, parsed.id);
	if (record)
		forget_record(store, record); /* else two processes revoked it at once */
	return STATUS_OK;
}

/* Applies the whole lines of `bytes`; *out_used bytes belong to them. */
static enum status apply_lines(struct app_password_store *store, struct span bytes, size_t *out_used)
{
	size_t used = 0;
	for (;;) {
		struct span rest = span_slice(bytes, used, bytes.size);
		size_t end = span_find_byte(rest, '\n');
		if (end == rest.size)
			break;
		TRY(apply_line(store, span_slice(rest, 0, end)));
		store->lines++;
		used += end + 1;
	}
	*out_used = used;
	return STATUS_OK;
}

static enum status read_on(struct app_password_store *store, char *bytes, size_t *out_used)
{
	ssize_t got = pread(store->fd, bytes, READ_SIZE, (off_t)store->offset);
	if (got < 0)
		return STATUS_SYSTEM;
	size_t used = 0;
	TRY(apply_lines(store, (struct span){ bytes, (size_t)got }, &used));
	if (used == 0 && got == READ_SIZE)
		return STATUS_INVALID; /* a line longer than any of ours */
	store->offset += used;
	*out_used = used;
	return STATUS_OK;
}

enum status store_refresh(struct app_password_store *store)
{
	struct stat file;
	if (store->stopped)
		return STATUS_INVALID;
	if (fstat(store->fd, &file) != 0)
		return STATUS_SYSTEM;
	if ((uint64_t)file.st_size == store->offset)
		return STATUS_OK;
	char *bytes = malloc(READ_SIZE);
	if (bytes == NULL)
		return STATUS_NO_MEMORY;
	size_t used = 0;
	enum status status = (uint64_t)file.st_size < store->offset ? STATUS_INVALID : STATUS_OK; /* it only grows */
	do {
		if (status == STATUS_OK)
			status = read_on(store, bytes, &used);
	} while (status == STATUS_OK && used > 0);
	store->stopped = status == STATUS_INVALID;
	explicit_bzero(bytes, READ_SIZE);
	free(bytes);
	return status;
}

uint64_t store_line(const struct app_password_store *store)
{
	return store->lines;
}

/* Locks the file against other processes, or releases it. */
static enum status lock_file(int fd, short type)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET };
	int result;
	do
		result = fcntl(fd, F_SETLKW, &range);
	while (result != 0 && errno == EINTR);
	return result == 0 ? STATUS_OK : STATUS_SYSTEM;
}

/* Under the lock nobody is in the middle of a line: one without an end now will never get one. */
static enum status cut_torn_line(struct app_password_store *store, uint64_t *out_cut)
{
	struct stat file;
	TRY(store_refresh(store));
	if (fstat(store->fd, &file) != 0)
		return STATUS_SYSTEM;
	uint64_t torn = (uint64_t)file.st_size - store->offset;
	if (torn > 0 && ftruncate(store->fd, (off_t)store->offset) != 0)
		return STATUS_SYSTEM;
	*out_cut = torn;
	return STATUS_OK;
}

enum status store_create(int fd, struct app_password_store **out_store)
{
	struct app_password_store *store = calloc(1, sizeof(*store));
	if (store == NULL)
		return STATUS_NO_MEMORY;
	store->fd = fd;
	enum status status = map_init(&store->by_id);
	if (status == STATUS_OK)
		status = map_init(&store->by_user);
	if (status != STATUS_OK) {
		free(store);
		return status;
	}
	*out_store = store;
	return STATUS_OK;
}

enum status store_load(struct app_password_store *store, uint64_t *out_cut)
{
	TRY(lock_file(store->fd, F_WRLCK));
	enum status status = cut_torn_line(store, out_cut);
	if (lock_file(store->fd, F_UNLCK) != STATUS_OK && status == STATUS_OK)
		return STATUS_SYSTEM;
	return status;
}

static void free_visited(void *context, struct map_link *link)
{
	struct map *by_id = context;
	map_remove(by_id, link);
	free_record(MAP_OWNER(link, struct app_password_record, by_id));
}

void store_close(struct app_password_store **store)
{
	if (*store == NULL)
		return;
	map_free(&(*store)->by_user);
	map_visit(&(*store)->by_id, free_visited, &(*store)->by_id);
	map_free(&(*store)->by_id);
	close((*store)->fd);
	free(*store);
	*store = NULL;
}

enum status store_match(struct app_password_store *store, const char *user, const struct secret *normal,
			struct app_password_record **out_record)
{
	struct map_link *link = map_first(&store->by_user, map_hash_text(&store->by_user, span_of(user)));
	for (; link; link = map_next(link)) {
		struct app_password_record *record = MAP_OWNER(link, struct app_password_record, by_user);
		if (!span_equal(span_of(record->user), span_of(user)))
			continue;
		enum status status = app_password_verify(&record->hash, normal);
		if (status == STATUS_NOT_FOUND)
			continue;
		if (status == STATUS_OK)
			*out_record = record;
		return status;
	}
	return STATUS_NOT_FOUND;
}

struct app_password_record *store_find(struct app_password_store *store, const char *id)
{
	return record_by_id(store, id);
}

/* ---- listing */

struct listing {
	const char *user;
	void (*visit)(void *context, const struct app_password_record *record);
	void *context;
};

static void visit_record(void *context, struct map_link *link)
{
	const struct listing *listing = context;
	const struct app_password_record *record = MAP_OWNER(link, struct app_password_record, by_id);
	if (listing->user == NULL || span_equal(span_of(record->user), span_of(listing->user)))
		listing->visit(listing->context, record);
}

void store_list(struct app_password_store *store, const char *user,
		void (*visit)(void *context, const struct app_password_record *record), void *context)
{
	struct listing listing = { user, visit, context };
	map_visit(&store->by_id, visit_record, &listing);
}

/* ---- appending */

static enum status write_line(int fd, struct span line)
{
	struct stat before;
	if (fstat(fd, &before) != 0)
		return STATUS_SYSTEM;
	if (before.st_size + (off_t)line.size > STORE_FILE_MAXIMUM)
		return STATUS_TOO_LARGE;
	ssize_t wrote;
	do
		wrote = write(fd, line.data, line.size);
	while (wrote < 0 && errno == EINTR);
	if (wrote == (ssize_t)line.size && fdatasync(fd) == 0)
		return STATUS_OK;
	int error = errno;
	if (wrote > 0 && ftruncate(fd, before.st_size) != 0)
		error = errno;
	errno = error;
	return STATUS_SYSTEM;
}

enum status store_append(const struct app_password_store *store, struct span line)
{
	TRY(lock_file(store->fd, F_WRLCK));
	enum status status = write_line(store->fd, line);
	int error = errno;
	if (lock_file(store->fd, F_UNLCK) != STATUS_OK && status == STATUS_OK)
		return STATUS_SYSTEM;
	errno = error;
	return status;
}
