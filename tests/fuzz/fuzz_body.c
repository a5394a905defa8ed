/*
 * The end-of-data scanner against any bytes. Whatever comes in: nothing that a
 * lax reader takes for an end goes out, an honest reader keeps of the output what
 * it would have kept of the input, the output does not depend on how the
 * input was cut, and the relay's check takes it with the same count.
 *
 * The first byte of the input is the place of a cut and the room of a narrow output.
 */
#include <assert.h>

#include "smtp/body.h"
#include "tests/fuzz/lax_reader.h"

#define OUT_MAXIMUM (1U << 20)

struct body_result {
	enum status status;
	struct body_scanner scanner;
	struct buf out;
	size_t used;
};

/* Feeds up to `first` bytes, then pieces of `piece`, into an output that holds `room` at a time. */
static void body_scan_in_pieces(struct span in, size_t first, size_t piece, size_t room, struct body_result *result)
{
	struct buf narrow;
	size_t end = first < in.size ? first : in.size;
	buf_init(&result->out, OUT_MAXIMUM);
	buf_init(&narrow, room);
	for (;;) {
		size_t used = 0;
		struct span part = span_slice(in, result->used, end);
		result->status = body_scan(&result->scanner, part, &narrow, &used);
		assert(used <= part.size);
		result->used += used;
		enum status status = buf_append(&result->out, buf_span(&narrow));
		assert(status == STATUS_OK);
		buf_clear(&narrow);
		if (result->status == STATUS_OK)
			break;
		assert(result->status == STATUS_TOO_LARGE || result->used == end);
		if (result->status == STATUS_AGAIN && end == in.size)
			break;
		if (result->status == STATUS_AGAIN)
			end = piece < in.size - end ? end + piece : in.size;
	}
	buf_free(&narrow);
}

static void expect_same(struct span in, const struct body_result *whole, size_t first, size_t piece, size_t room)
{
	struct body_result other = { 0 };
	body_scan_in_pieces(in, first, piece, room, &other);
	assert(other.status == whole->status && other.used == whole->used);
	assert(other.scanner.size == whole->scanner.size);
	assert(other.scanner.has_cr_or_nul == whole->scanner.has_cr_or_nul);
	assert(span_equal(buf_span(&other.out), buf_span(&whole->out)));
	buf_free(&other.out);
}

static void expect_no_end_within(struct span out)
{
	assert(lax_readers_agree_on_lines(out));
	assert(!lax_reader_stops_within(out));
}

/* Nothing added, nothing lost: both ends read the same message. */
static void expect_same_message(struct span in, struct span out)
{
	struct buf meant, got;
	buf_init(&meant, OUT_MAXIMUM);
	buf_init(&got, OUT_MAXIMUM);
	honest_reader_keeps(in, &meant);
	honest_reader_keeps(out, &got);
	assert(span_equal(buf_span(&meant), buf_span(&got)));
	buf_free(&meant);
	buf_free(&got);
}

/* The simplest reader there is: the first CRLF.CRLF, counted from the CRLF of DATA. */
static size_t find_end(struct span in)
{
	for (size_t i = 0; i + 3 <= in.size; i++) {
		bool begins_line = i == 0 || (i >= 2 && in.data[i - 2] == '\r' && in.data[i - 1] == '\n');
		if (begins_line && span_starts_with(span_slice(in, i, in.size), SPAN(".\r\n")))
			return i + 3;
	}
	return 0;
}

static void expect_checked(const struct body_result *whole)
{
	struct body_check check = { 0 };
	enum status status = body_check_feed(&check, buf_span(&whole->out));
	assert(status == STATUS_OK);
	if (whole->status != STATUS_OK || whole->scanner.has_cr_or_nul)
		return;
	assert(body_check_finish(&check) == STATUS_OK);
	assert(check.size == whole->scanner.size);
}

/* The check itself against any bytes: what it takes has no end within, cut or whole. */
static void check_alone(struct span bytes, size_t cut)
{
	struct body_check whole = { 0 }, pieces = { 0 };
	enum status status = body_check_feed(&whole, bytes);
	(void)!body_check_feed(&pieces, span_slice(bytes, 0, cut));
	assert(body_check_feed(&pieces, span_slice(bytes, cut, bytes.size)) == status);
	if (status == STATUS_OK)
		assert(whole.size == pieces.size);
	assert(body_check_finish(&whole) == body_check_finish(&pieces));
	if (status == STATUS_OK && body_check_finish(&whole) == STATUS_OK)
		expect_no_end_within(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > OUT_MAXIMUM / 4)
		return 0;
	size_t cut = data[0];
	struct span in = { (const char *)data + 1, size - 1 };
	struct body_result whole = { 0 };
	body_scan_in_pieces(in, in.size, in.size, OUT_MAXIMUM, &whole);
	size_t end = find_end(in);
	assert((whole.status == STATUS_OK) == (end > 0));
	assert(end == 0 || whole.used == end);
	expect_no_end_within(buf_span(&whole.out));
	if (end && !whole.scanner.has_cr_or_nul)
		expect_same_message(span_slice(in, 0, end - 3), buf_span(&whole.out));
	expect_checked(&whole);
	expect_same(in, &whole, cut, in.size, OUT_MAXIMUM);
	expect_same(in, &whole, 1, 1, OUT_MAXIMUM);
	expect_same(in, &whole, in.size, in.size, BODY_ROOM_LEAST + cut % 16);
	check_alone(in, cut < in.size ? cut : in.size);
	buf_free(&whole.out);
	return 0;
}
