/*
 * Two places in the file are written in turn, each with a number and a digest, so that a process that dies amid a write
 * leaves the former one. Native byte order: the file stays on its machine.
 */
#include "export/cursor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLACES 2
#define PLACE_SIZE 4096 /* bytes */
#define VERSION 1
#define LOCK_OFFSET 65536 /* past all that is written */

/* As it is in the file. */
struct image {
	char magic[8];
	uint64_t version;
	uint64_t generation; /* from 1; the larger one counts */
	struct cursor cursor;
	unsigned char digest[HASH_SHA256_SIZE]; /* SHA-256 of all before */
};

_Static_assert(sizeof(struct image) <= PLACE_SIZE, "an image fits into its place");

static const char magic[8] = "sgexport";

/* ---- chains */

static struct cursor_chain *find_chain(const struct cursor *cursor, struct span id)
{
	struct span shown = span_slice(id, 0, CURSOR_CHAIN_SIZE - 1);
	for (size_t i = 0; i < CURSOR_CHAINS; i++)
		if (cursor->chains[i].seq && span_equal(span_of(cursor->chains[i].id), shown))
			return (struct cursor_chain *)&cursor->chains[i];
	return NULL;
}

static struct cursor_chain *find_oldest(struct cursor *cursor)
{
	struct cursor_chain *oldest = &cursor->chains[0];
	for (size_t i = 0; i < CURSOR_CHAINS; i++) {
		if (cursor->chains[i].seq == 0)
			return &cursor->chains[i];
		if (cursor->chains[i].touched < oldest->touched)
			oldest = &cursor->chains[i];
	}
	return oldest;
}

void cursor_note_chain(struct cursor *cursor, struct span id, uint64_t seq)
{
	struct cursor_chain *chain = find_chain(cursor, id);
	if (chain == NULL) {
		chain = find_oldest(cursor);
		memset(chain, 0, sizeof(*chain));
		snprintf(chain->id, sizeof(chain->id), "%.*s", SPAN_ARGS(id));
	}
	chain->touched = cursor->records;
	if (seq > chain->seq)
		chain->seq = seq;
}

uint64_t cursor_find_chain(const struct cursor *cursor, struct span id)
{
	const struct cursor_chain *chain = find_chain(cursor, id);
	return chain ? chain->seq : 0;
}

/* ---- the file */

/* Of the process, not of the descriptor, which the supervisor has too: it must not outlive us. */
static bool set_lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = LOCK_OFFSET, .l_len = 1 };
	return fcntl(fd, F_SETLK, &lock) == 0;
}

bool cursor_file_hold(struct cursor_file *file)
{
	if (!file->is_held)
		file->is_held = set_lock(file->fd, F_WRLCK);
	return file->is_held;
}

void cursor_file_release(struct cursor_file *file)
{
	if (file->is_held)
		(void)set_lock(file->fd, F_UNLCK);
	file->is_held = false;
}

static enum status digest_image(const struct image *image, unsigned char out_digest[HASH_SHA256_SIZE])
{
	return hash_sha256((struct span){ (const char *)image, offsetof(struct image, digest) }, out_digest);
}

static bool is_whole(const struct image *image)
{
	unsigned char digest[HASH_SHA256_SIZE];
	return memcmp(image->magic, magic, sizeof(magic)) == 0 && image->version == VERSION &&
	       digest_image(image, digest) == STATUS_OK && memcmp(digest, image->digest, sizeof(digest)) == 0;
}

/* What came from the disk ends where it must. */
static void take_image(const struct image *image, struct cursor *out_cursor)
{
	*out_cursor = image->cursor;
	out_cursor->position.ts[CLOCK_TEXT_SIZE - 1] = '\0';
	for (size_t i = 0; i < CURSOR_CHAINS; i++)
		out_cursor->chains[i].id[CURSOR_CHAIN_SIZE - 1] = '\0';
}

enum status cursor_file_read(struct cursor_file *file, struct cursor *out_cursor)
{
	struct image image;
	uint64_t newest = 0;
	for (int i = 0; i < PLACES; i++) {
		ssize_t got = pread(file->fd, &image, sizeof(image), (off_t)i * PLACE_SIZE);
		if (got < 0)
			return STATUS_SYSTEM;
		if (got != (ssize_t)sizeof(image) || !is_whole(&image) || image.generation <= newest)
			continue;
		newest = image.generation;
		take_image(&image, out_cursor);
	}
	file->generation = newest;
	return newest ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status cursor_find_time(int fd, uint64_t *out_s)
{
	struct cursor_file file = { .fd = fd };
	struct cursor cursor;
	char text[CLOCK_TEXT_SIZE];
	TRY(cursor_file_read(&file, &cursor));
	snprintf(text, sizeof(text), "%.19sZ", cursor.position.ts);
	return clock_read_seconds(span_of(text), out_s) == STATUS_OK ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status cursor_file_write(struct cursor_file *file, const struct cursor *cursor)
{
	struct image image;
	memset(&image, 0, sizeof(image));
	memcpy(image.magic, magic, sizeof(magic));
	image.version = VERSION;
	image.generation = file->generation + 1;
	image.cursor = *cursor;
	TRY(digest_image(&image, image.digest));
	off_t at = (off_t)(image.generation % PLACES) * PLACE_SIZE;
	if (pwrite(file->fd, &image, sizeof(image), at) != (ssize_t)sizeof(image))
		return STATUS_SYSTEM;
	file->generation = image.generation;
	return STATUS_OK;
}
