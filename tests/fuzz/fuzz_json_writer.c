/*
 * Objects of any members, written by base/json_writer.h: jansson writes the same bytes, where texts that are not UTF-8
 * or hold C1 controls were mended before; and with too little room there is a failure, and no more than that.
 *
 * Each step of the input is a byte: what comes next, and for a text or a number how many bytes of the input it is.
 */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"

#define DEPTH 8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what is expected of a text, by jansson's word on what is UTF-8 */

/* Bytes of the character at the front; 0: there is none. */
static size_t character_size(struct span text)
{
	for (size_t size = 1; size <= 4 && size <= text.size; size++) {
		json_t *value = json_stringn(text.data, size);
		json_decref(value);
		if (value)
			return size;
	}
	return 0;
}

static json_t *expect_text(struct span text)
{
	char mended[3 * UINT8_MAX];
	size_t used = 0;
	while (text.size) {
		size_t size = character_size(text);
		bool is_c1 = size == 2 && text.data[0] == '\xc2' && (unsigned char)text.data[1] < 0xa0;
		struct span shown = size && !is_c1 ? span_slice(text, 0, size) : SPAN("\xef\xbf\xbd");
		memcpy(mended + used, shown.data, shown.size);
		used += shown.size;
		text = span_slice(text, size ? size : 1, text.size);
	}
	return json_stringn(mended, used);
}

/* ---- the same object, written and built */

struct trial {
	struct json_writer writer;
	json_t *open[DEPTH]; /* the innermost last; borrowed but for the first */
	unsigned depth;
	unsigned names;
};

static void add_value(struct trial *trial, const char *name, json_t *value)
{
	json_t *inner = trial->open[trial->depth - 1];
	int failed =
		json_is_array(inner) ? json_array_append_new(inner, value) : json_object_set_new(inner, name, value);
	assert(failed == 0);
}

static void close_innermost(struct trial *trial)
{
	const json_t *inner = trial->open[--trial->depth];
	if (json_is_array(inner))
		json_close_array(&trial->writer);
	else
		json_close_object(&trial->writer);
}

/* Takes a step off the front of the input. */
static void take_step(struct trial *trial, struct span *input)
{
	char text[16];
	unsigned char what = (unsigned char)input->data[0];
	*input = span_slice(*input, 1, input->size);
	struct span bytes = span_slice(*input, 0, what / 4);
	struct json_writer *writer = &trial->writer;
	snprintf(text, sizeof(text), "n%u", trial->names++);
	struct span name = json_is_array(trial->open[trial->depth - 1]) ? SPAN("") : span_of(text);
	if (what >= 0xf0 && trial->depth > 1) {
		close_innermost(trial);
	} else if (what >= 0xe0 && trial->depth < DEPTH) {
		json_t *inner = what & 1 ? json_array() : json_object();
		add_value(trial, text, inner);
		trial->open[trial->depth++] = inner;
		if (what & 1)
			json_open_array(writer, name);
		else
			json_open_object(writer, name);
	} else if (what % 8 == 4) {
		add_value(trial, text, json_true());
		json_put_true(writer, name);
	} else if (what % 4 == 0) {
		int64_t number = 0;
		bytes = span_slice(bytes, 0, sizeof(number));
		memcpy(&number, bytes.data, bytes.size);
		add_value(trial, text, json_integer(number));
		json_put_number(writer, name, number);
		*input = span_slice(*input, bytes.size, input->size);
	} else {
		add_value(trial, text, expect_text(bytes));
		json_put_text(writer, name, bytes);
		*input = span_slice(*input, bytes.size, input->size);
	}
}

/* The object that was built; the caller's to drop. */
static json_t *take_all(struct trial *trial, struct span input, struct buf *out)
{
	*trial = (struct trial){ .open[0] = json_object(), .depth = 1 };
	json_writer_begin(&trial->writer, out);
	while (input.size)
		take_step(trial, &input);
	while (trial->depth > 0)
		close_innermost(trial);
	return trial->open[0];
}

/* What jansson, and whoever else reads JSON, makes of the bytes is what was put in. */
static void expect_same(const json_t *expected, struct span written)
{
	char *text = json_dumps(expected, JSON_COMPACT);
	assert(text && span_equal(written, span_of(text)));
	json_t *read = json_loadb(written.data, written.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert(read && json_equal(read, expected));
	json_decref(read);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = { (const char *)data, size };
	struct buf out BUF_AUTO;
	struct buf little BUF_AUTO;
	struct trial trial;
	buf_init(&out, 16 * size + 4096);
	json_t *expected = take_all(&trial, input, &out);
	assert(trial.writer.status == STATUS_OK);
	expect_same(expected, buf_span(&out));
	json_decref(expected);

	buf_init(&little, size ? 8U * data[0] : 0);
	expected = take_all(&trial, input, &little);
	struct span part = buf_span(&little);
	assert(trial.writer.status == STATUS_OK || trial.writer.status == STATUS_TOO_LARGE);
	assert(trial.writer.status == STATUS_TOO_LARGE || span_equal(part, buf_span(&out)));
	assert(span_equal(part, span_slice(buf_span(&out), 0, part.size)));
	json_decref(expected);
	return 0;
}
