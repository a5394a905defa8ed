/*
 * Replies of any bytes, from an upstream to a client: what is parsed can be written in both forms, and reads as the
 * same again.
 */
#include <assert.h>

#include "smtp/reply.h"

#define WIRE_MAXIMUM (4U * REPLY_SIZE_MAXIMUM)

/* Reads our own wire form back: whole, with the same code, within line limits. */
static void expect_wire(struct span text, bool utf8)
{
	struct buf wire, scratch;
	struct reply reply, before;
	size_t used = 0;
	buf_init(&wire, WIRE_MAXIMUM);
	buf_init(&scratch, WIRE_MAXIMUM);
	enum status status = reply_read(text, &before);
	assert(status == STATUS_OK);
	status = reply_write_wire(&wire, text, utf8);
	assert(status == STATUS_OK || status == STATUS_TOO_LARGE);
	struct span rest = buf_span(&wire), line;
	while (span_cut(&rest, '\n', &line))
		assert(line.size <= 510);
	status = reply_parse_wire(buf_span(&wire), &scratch, &reply, &used);
	assert(status == STATUS_OK || buf_size(&wire) == 0 || buf_size(&wire) > REPLY_SIZE_MAXIMUM);
	if (status == STATUS_OK)
		assert(used == buf_size(&wire) && reply.code == before.code);
	buf_free(&wire);
	buf_free(&scratch);
}

static void expect_forms(const struct reply *reply)
{
	struct buf text;
	struct reply again;
	buf_init(&text, REPLY_SIZE_MAXIMUM);
	enum status status = reply_write(&text, reply);
	assert(status == STATUS_OK || status == STATUS_TOO_LARGE);
	if (status == STATUS_OK) {
		status = reply_read(buf_span(&text), &again);
		assert(status == STATUS_OK && again.code == reply->code);
		assert(reply->enhanced.size == 0 || span_equal(again.enhanced, reply->enhanced));
		expect_wire(buf_span(&text), false);
		expect_wire(buf_span(&text), true);
	}
	buf_free(&text);
}

/* What stands for a reply that is too large: the same verdict as the whole one's. */
static void expect_begin(struct span bytes, const struct reply *whole)
{
	struct reply begin;
	enum status status = reply_parse_begin(bytes, &begin);
	assert(status == STATUS_OK || status == STATUS_INVALID);
	if (status == STATUS_OK) {
		assert(!span_contains_byte(begin.text, '\n') && !span_contains_byte(begin.text, '\0'));
		expect_forms(&begin);
	}
	if (whole)
		assert(bytes.data[3] == '\r' || (status == STATUS_OK && begin.code == whole->code));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = { (const char *)data, size };
	struct reply reply;
	struct buf scratch;
	size_t used = 0;
	if (reply_read(bytes, &reply) == STATUS_OK) {
		expect_forms(&reply);
		expect_wire(bytes, false);
	}
	expect_begin(bytes, NULL);
	buf_init(&scratch, REPLY_SIZE_MAXIMUM);
	if (reply_parse_wire(bytes, &scratch, &reply, &used) == STATUS_OK) {
		assert(used > 0 && used <= size);
		assert(!span_contains_byte(reply.text, '\r') && !span_contains_byte(reply.text, '\0'));
		expect_forms(&reply);
		expect_begin(bytes, &reply);
	}
	buf_free(&scratch);
	return 0;
}
