/*
 * Lines of any bytes on their way out: what is taken for a record makes a frame of the length that it says, without a
 * line's end in its header, and what can be told in the words of ECS is one JSON object that holds the record.
 */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "export/ecs.h"
#include "export/syslog_format.h"

#define ROOM (32U << 20) /* bytes */

static void expect_frame(const struct record_line *line, struct span payload)
{
	struct buf frame, datagram;
	uint64_t size = 0;
	buf_init(&frame, ROOM);
	buf_init(&datagram, ROOM);
	enum status status = syslog_format_frame(line, payload, "mail.example.com", &frame);
	assert(status == STATUS_OK);
	struct span bytes = buf_span(&frame);
	size_t blank = span_find_byte(bytes, ' ');
	status = span_to_u64(span_slice(bytes, 0, blank), &size);
	assert(status == STATUS_OK && size == bytes.size - blank - 1);
	struct span header = span_slice(bytes, 0, bytes.size - payload.size);
	assert(!span_contains_byte(header, '\n') && !span_contains_byte(header, '\0'));
	status = syslog_format_datagram(line, payload, "mail.example.com", &datagram);
	assert(status == STATUS_OK && buf_size(&datagram) < SYSLOG_DATAGRAM_MAXIMUM + 1024);
	buf_free(&frame);
	buf_free(&datagram);
}

static void expect_object(struct span text, struct span out)
{
	json_t *record = json_loadb(text.data, text.size, 0, NULL);
	json_t *object = json_loadb(out.data, out.size, 0, NULL);
	const json_t *rest = json_object_get(object, "subgate");
	const char *name;
	json_t *value;
	assert(json_is_object(object) && json_is_object(rest));
	json_object_foreach(record, name, value)
	{
		if (strcmp(name, "ts") != 0 && strcmp(name, "type") != 0)
			assert(json_equal(json_object_get(rest, name), value));
	}
	assert(json_equal(json_object_get(object, "@timestamp"), json_object_get(record, "ts")));
	json_decref(record);
	json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct record_line line;
	struct buf out;
	buf_init(&out, ROOM);
	bool is_record = !span_contains_byte(text, '\n') && record_line_read(text, &line) == STATUS_OK;
	if (is_record)
		expect_frame(&line, text);
	if (ecs_write(text, &out) == STATUS_OK) {
		expect_object(text, buf_span(&out));
		if (is_record)
			expect_frame(&line, buf_span(&out));
	}
	buf_free(&out);
	return 0;
}
