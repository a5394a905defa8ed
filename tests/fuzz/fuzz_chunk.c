/*
 * Chunks against any bytes. Whatever comes in: the relay's check takes what
 * goes out, with the same count; nothing in it is an end to any reader; it does
 * not depend on the cuts; and a reader of it gets the octets back, with CRLF for LF.
 *
 * The first byte of the input is the place of a cut.
 */
#include <assert.h>
#include <string.h>

#include "smtp/body.h"
#include "smtp/chunk.h"
#include "tests/fuzz/lax_reader.h"

#define OUT_MAXIMUM (1U << 20)

struct chunk_result {
	struct chunk_scanner scanner;
	struct buf out;
};

static void chunk_scan_in_pieces(struct span in, size_t first, size_t piece, struct chunk_result *result)
{
	size_t at = 0;
	buf_init(&result->out, OUT_MAXIMUM);
	for (size_t size = first; at < in.size; size = piece) {
		struct span part = span_slice(in, at, size < in.size - at ? at + size : in.size);
		size_t before = buf_size(&result->out);
		enum status status = chunk_scan(&result->scanner, part, &result->out);
		assert(status == STATUS_OK);
		assert(buf_size(&result->out) - before <= CHUNK_GROWTH(part.size));
		at += part.size;
	}
	enum status status = chunk_scan_end(&result->scanner, &result->out);
	assert(status == STATUS_OK);
}

static void expect_same(struct span in, const struct chunk_result *whole, size_t first, size_t piece)
{
	struct chunk_result other = { 0 };
	chunk_scan_in_pieces(in, first, piece, &other);
	assert(other.scanner.has_cr_or_nul == whole->scanner.has_cr_or_nul);
	if (!whole->scanner.has_cr_or_nul) {
		assert(other.scanner.size == whole->scanner.size);
		assert(span_equal(buf_span(&other.out), buf_span(&whole->out)));
	}
	buf_free(&other.out);
}

static void expect_checked(const struct chunk_result *whole)
{
	struct body_check check = { 0 };
	enum status status = body_check_feed(&check, buf_span(&whole->out));
	assert(status == STATUS_OK);
	assert(body_check_finish(&check) == STATUS_OK);
	assert(check.size == whole->scanner.size);
}

/* The simplest writer there is: octet by octet. A CR is written with its LF. */
static void expect_octets(struct span in, struct span out)
{
	size_t at = 0;
	bool begins_line = true;
	for (size_t i = 0; i < in.size; i++) {
		if (in.data[i] == '\r')
			continue;
		if (in.data[i] == '\n')
			assert(out.data[at++] == '\r');
		if (in.data[i] == '.' && begins_line)
			assert(out.data[at++] == '.');
		assert(at < out.size && out.data[at++] == in.data[i]);
		begins_line = in.data[i] == '\n';
	}
	assert(at == out.size || (!begins_line && out.size - at == 2));
}

/* A stray CR is one without LF after it. */
static bool has_stray(struct span in)
{
	for (size_t i = 0; i < in.size; i++) {
		if (in.data[i] == '\0' || (in.data[i] == '\r' && (i + 1 == in.size || in.data[i + 1] != '\n')))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > OUT_MAXIMUM / 4)
		return 0;
	struct span in = { (const char *)data + 1, size - 1 };
	struct chunk_announcement announcement;
	(void)!chunk_read(in, &announcement);
	struct chunk_result whole = { 0 };
	chunk_scan_in_pieces(in, in.size, in.size, &whole);
	assert(whole.scanner.has_cr_or_nul == has_stray(in));
	if (!whole.scanner.has_cr_or_nul) {
		assert(lax_readers_agree_on_lines(buf_span(&whole.out)));
		assert(!lax_reader_stops_within(buf_span(&whole.out)));
		expect_checked(&whole);
		expect_octets(in, buf_span(&whole.out));
	}
	expect_same(in, &whole, 1 + data[0], in.size);
	expect_same(in, &whole, 1, 1);
	buf_free(&whole.out);
	return 0;
}
