/* A plain file is read with pread(2) wherever it has grown; a packed one from its beginning, up to the place. */
#include "export/input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/reader/record.h"
#include "audit/reader/unpack.h"

#define BLOCK_SIZE (64U << 10)  /* bytes a read */
#define LINE_MAXIMUM (8U << 20) /* bytes; a longer line is no record, and left out */

static bool is_packed(int fd)
{
	unsigned char magic[2];
	return pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       ((magic[0] == 0x1f && magic[1] == 0x8b) || (magic[0] == 0x28 && magic[1] == 0xb5));
}

/* At least one byte to the end of `pending`; STATUS_END. */
static enum status fill_pending(struct input *input)
{
	char *at;
	size_t got = 0;
	TRY(buf_reserve(&input->pending, BLOCK_SIZE, &at));
	if (input->unpack) {
		TRY(unpack_read(input->unpack, at, BLOCK_SIZE, &got));
	} else {
		uint64_t offset = input->position.offset + buf_size(&input->pending);
		ssize_t count;
		do
			count = pread(input->fd, at, BLOCK_SIZE, (off_t)offset);
		while (count < 0 && errno == EINTR);
		if (count <= 0)
			return count < 0 ? STATUS_SYSTEM : STATUS_END;
		got = (size_t)count;
	}
	buf_commit(&input->pending, got);
	return STATUS_OK;
}

static void consume_bytes(struct input *input, size_t size)
{
	buf_consume(&input->pending, size);
	input->position.offset += size;
	input->taken = input->scanned = 0;
}

/* False: no whole line is there yet. Invariant: what `scanned` counts holds no LF. */
static bool cut_line(struct input *input, struct span *out_line)
{
	struct span bytes = buf_span(&input->pending);
	size_t rest = span_find_byte(span_slice(bytes, input->scanned, bytes.size), '\n');
	if (input->scanned + rest < bytes.size) {
		*out_line = span_slice(bytes, 0, input->scanned + rest);
		return true;
	}
	input->scanned = bytes.size;
	if (bytes.size > LINE_MAXIMUM) {
		consume_bytes(input, bytes.size);
		input->is_skipping = true;
	}
	return false;
}

/* ---- identity */

/* Packed or not, its first line is all that is read. */
static enum status read_first_line(struct input *input, struct span *out_line)
{
	while (!cut_line(input, out_line)) {
		enum status status = fill_pending(input);
		if (status == STATUS_END || status == STATUS_INVALID)
			return STATUS_NOT_FOUND;
		TRY(status);
	}
	return STATUS_OK;
}

static enum status describe_first_line(struct span line, struct input_identity *out_identity)
{
	struct span ts = { 0 };
	struct input_identity identity = { 0 };
	TRY(hash_sha256(line, identity.first));
	if (record_read_time(line, &ts) == STATUS_OK)
		snprintf(identity.ts, sizeof(identity.ts), "%.*s", SPAN_ARGS(ts));
	*out_identity = identity;
	return STATUS_OK;
}

static enum status begin_reading(struct input *input, int fd)
{
	*input = (struct input){ .is_open = true, .fd = fd };
	buf_init(&input->pending, LINE_MAXIMUM + 2 * BLOCK_SIZE);
	return is_packed(fd) ? unpack_open(fd, &input->unpack) : STATUS_OK;
}

enum status input_identify(int fd, struct input_identity *out_identity)
{
	struct input input;
	struct span line = { 0 };
	enum status status = begin_reading(&input, fd);
	if (status == STATUS_OK)
		status = read_first_line(&input, &line);
	if (status == STATUS_OK)
		status = describe_first_line(line, out_identity);
	unpack_close(&input.unpack);
	buf_free(&input.pending);
	return status;
}

/* ---- reading */

/* A packed file is read from its beginning up to the place. */
static enum status skip_to(struct input *input, uint64_t offset)
{
	if (input->unpack == NULL) {
		input->position.offset = offset;
		return STATUS_OK;
	}
	while (input->position.offset < offset) {
		enum status status = fill_pending(input);
		if (status == STATUS_END)
			return STATUS_OK;
		TRY(status);
		uint64_t left = offset - input->position.offset;
		consume_bytes(input, left < buf_size(&input->pending) ? (size_t)left : buf_size(&input->pending));
	}
	return STATUS_OK;
}

enum status input_open(struct input *input, int fd, uint64_t offset)
{
	struct stat about;
	enum status status = begin_reading(input, fd);
	if (status == STATUS_OK)
		status = fstat(fd, &about) != 0        ? STATUS_SYSTEM
			 : S_ISREG(about.st_mode) == 0 ? STATUS_INVALID
						       : skip_to(input, offset);
	if (status != STATUS_OK) {
		input_close(input);
		return status;
	}
	input->inode = input->position.inode = (uint64_t)about.st_ino;
	return STATUS_OK;
}

void input_close(struct input *input)
{
	if (!input->is_open)
		return;
	unpack_close(&input->unpack);
	buf_free(&input->pending);
	close(input->fd);
	*input = (struct input){ 0 };
}

void input_know(struct input *input, const struct input_identity *identity)
{
	input->position.has_first = 1;
	memcpy(input->position.first, identity->first, sizeof(identity->first));
}

/* Known from the first line on, by which it is found when it has another name. */
static void note_identity(struct input *input)
{
	struct input_identity identity;
	if (!input->position.has_first && input_identify(input->fd, &identity) == STATUS_OK)
		input_know(input, &identity);
}

enum status input_next(struct input *input, struct span *out_line)
{
	struct span line = { 0 };
	bool was_skipping;
	do {
		consume_bytes(input, input->taken);
		while (!cut_line(input, &line))
			TRY(fill_pending(input));
		input->taken = line.size + 1;
		was_skipping = input->is_skipping;
		input->is_skipping = false;
	} while (was_skipping);
	note_identity(input);
	*out_line = line;
	return STATUS_OK;
}

struct cursor_position input_position(const struct input *input)
{
	struct cursor_position position = input->position;
	position.offset += input->taken;
	return position;
}

bool input_was_cut(const struct input *input)
{
	struct stat about;
	return input->is_open && input->unpack == NULL && fstat(input->fd, &about) == 0 &&
	       (uint64_t)about.st_size < input->position.offset;
}
