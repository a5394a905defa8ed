/* A slot is a line of text and the token after it; whatever follows means nothing. */
#include "auth/oauth/token_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define SLOT_SIZE 16384 /* bytes: refresh tokens have up to 2 KiB */
#define NO_ORIGIN "-"
#define LOCK_RETRY_MS 20

/* ---- the lock */

enum status token_file_lock(int fd, uint64_t limit_ms)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000000L };
	uint64_t end_ms = clock_monotonic_ms() + limit_ms;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return STATUS_SYSTEM;
		if (clock_monotonic_ms() >= end_ms)
			return STATUS_TIMEOUT;
		nanosleep(&pause, NULL);
	}
	return STATUS_OK;
}

void token_file_unlock(int fd)
{
	(void)flock(fd, LOCK_UN);
}

/* ---- a slot's text: "subgate-token NUMBER ORIGIN SIZE DIGEST\nTOKEN" */

static enum status write_digested(struct buf *text, uint64_t number, const char *origin, struct span token)
{
	TRY(buf_printf(text, "subgate-token %" PRIu64 " %s %zu", number, *origin ? origin : NO_ORIGIN, token.size));
	return STATUS_OK;
}

static enum status digest_record(uint64_t number, const char *origin, struct span token,
				 char out_hex[HASH_SHA256_HEX_SIZE])
{
	unsigned char bytes[HASH_SHA256_SIZE];
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, SLOT_SIZE);
	TRY(write_digested(&text, number, origin, token));
	TRY(buf_append(&text, token));
	TRY(hash_sha256(buf_span(&text), bytes));
	hash_to_hex(bytes, sizeof(bytes), out_hex);
	return STATUS_OK;
}

static enum status write_slot(struct buf *text, uint64_t number, const char *origin, struct span token)
{
	char hex[HASH_SHA256_HEX_SIZE];
	TRY(digest_record(number, origin, token, hex));
	TRY(write_digested(text, number, origin, token));
	TRY(buf_printf(text, " %s\n", hex));
	return buf_append(text, token);
}

static bool next_word(struct span *line, struct span *out_word)
{
	return span_cut(line, ' ', out_word) && out_word->size > 0;
}

static enum status read_slot(struct span slot, struct token_record *out_record)
{
	struct token_record record = { 0 };
	struct span mark, number, origin, size, hex;
	char expected[HASH_SHA256_HEX_SIZE];
	uint64_t bytes = 0;
	size_t end = span_find_byte(slot, '\n');
	struct span line = span_slice(slot, 0, end);
	if (end == slot.size || !next_word(&line, &mark) || !span_equal(mark, SPAN("subgate-token")) ||
	    !next_word(&line, &number) || span_to_u64(number, &record.number) != STATUS_OK ||
	    !next_word(&line, &origin) || origin.size >= sizeof(record.origin) || !next_word(&line, &size) ||
	    span_to_u64(size, &bytes) != STATUS_OK || !next_word(&line, &hex) || bytes > slot.size - end - 1)
		return STATUS_INVALID;
	struct span token = span_slice(slot, end + 1, end + 1 + bytes);
	if (!span_equal(origin, SPAN(NO_ORIGIN)))
		snprintf(record.origin, sizeof(record.origin), "%.*s", SPAN_ARGS(origin));
	TRY(digest_record(record.number, record.origin, token, expected));
	if (!span_equal(hex, span_of(expected)))
		return STATUS_INVALID;
	TRY(secret_from_span(token, &record.token));
	*out_record = record;
	return STATUS_OK;
}

/* ---- the file */

static enum status load_slot(int fd, unsigned index, struct token_record *out_record)
{
	char *at = NULL;
	struct buf slot BUF_AUTO;
	buf_init_sensitive(&slot, SLOT_SIZE);
	TRY(buf_reserve(&slot, SLOT_SIZE, &at));
	ssize_t got = pread(fd, at, SLOT_SIZE, (off_t)index * SLOT_SIZE);
	if (got < 0)
		return STATUS_SYSTEM;
	buf_commit(&slot, (size_t)got);
	return read_slot(buf_span(&slot), out_record);
}

enum status token_file_read(int fd, struct token_record *out_record)
{
	struct token_record newest = { 0 };
	bool is_found = false;
	for (unsigned i = 0; i < 2; i++) {
		struct token_record record = { 0 };
		enum status status = load_slot(fd, i, &record);
		if (status != STATUS_OK && status != STATUS_INVALID) {
			secret_wipe(&newest.token);
			return status;
		}
		if (status == STATUS_OK && (!is_found || record.number > newest.number)) {
			secret_wipe(&newest.token);
			newest = record;
			is_found = true;
		} else {
			secret_wipe(&record.token);
		}
	}
	if (!is_found)
		return STATUS_NOT_FOUND;
	*out_record = newest;
	return STATUS_OK;
}

enum status token_file_write(int fd, const struct token_record *former, struct span token, const char *origin)
{
	uint64_t number = former->number + 1;
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, SLOT_SIZE);
	TRY(write_slot(&text, number, origin, token));
	struct span slot = buf_span(&text);
	ssize_t written = pwrite(fd, slot.data, slot.size, (off_t)(number % 2) * SLOT_SIZE);
	if (written != (ssize_t)slot.size || fdatasync(fd) < 0)
		return STATUS_SYSTEM;
	return STATUS_OK;
}
