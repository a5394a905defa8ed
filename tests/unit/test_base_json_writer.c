/* JSON that is written straight into a buffer: as jansson would have it. fuzz_json_writer has any of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json_writer.h"
#include "base/number.h"

static void assert_written(struct buf *b, const char *text)
{
	assert_true(span_equal(buf_span(b), span_of(text)));
	buf_clear(b);
}

static void members_come_in_the_order_in_which_they_are_put(void **state)
{
	struct json_writer writer;
	struct buf b BUF_AUTO;
	(void)state;
	buf_init(&b, 4096);
	json_writer_begin(&writer, &b);
	json_put_text(&writer, SPAN("a"), SPAN("x"));
	json_open_object(&writer, SPAN("b"));
	json_close_object(&writer);
	json_open_array(&writer, SPAN("c"));
	json_open_object(&writer, SPAN(""));
	json_put_number(&writer, SPAN("d"), 1);
	json_put_number(&writer, SPAN("e"), -1);
	json_close_object(&writer);
	json_put_text(&writer, SPAN(""), SPAN(""));
	json_put_number(&writer, SPAN(""), 0);
	json_put_true(&writer, SPAN(""));
	json_close_array(&writer);
	json_put_text(&writer, SPAN("f"), (struct span){ 0 });
	json_put_true(&writer, SPAN("g"));
	json_close_object(&writer);
	assert_int_equal(writer.status, STATUS_OK);
	assert_written(&b, "{\"a\":\"x\",\"b\":{},\"c\":[{\"d\":1,\"e\":-1},\"\",0,true],\"f\":\"\",\"g\":true}");
}

static void assert_as_jansson(struct span text)
{
	struct json_writer writer;
	struct buf b BUF_AUTO;
	buf_init(&b, 65536);
	json_writer_begin(&writer, &b);
	json_put_text(&writer, SPAN("t"), text);
	json_close_object(&writer);
	json_t *object = json_pack("{s:o}", "t", json_stringn(text.data, text.size));
	char *expected = json_dumps(object, JSON_COMPACT);
	assert_non_null(expected);
	assert_written(&b, expected);
	free(expected);
	json_decref(object);
}

static void each_byte_of_ascii_is_escaped_as_jansson_does_it(void **state)
{
	char bytes[128];
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)i;
		assert_as_jansson((struct span){ bytes + i, 1 });
	}
	assert_as_jansson((struct span){ bytes, sizeof(bytes) });
}

/* Texts are written in pieces, and looked at in words. */
static void it_does_not_matter_where_in_a_text_a_character_lies(void **state)
{
	static const struct span characters[] = {
		{ "\"", 1 },       { "\n", 1 },           { "\x01", 1 },
		{ "\xc3\xa9", 2 }, { "\xe2\x82\xac", 3 }, { "\xf0\x9f\x8e\x89", 4 },
	};
	char text[400];
	(void)state;
	for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		for (size_t at = 0; at < 300; at++) {
			memset(text, 'a', sizeof(text));
			memcpy(text + at, characters[i].data, characters[i].size);
			assert_as_jansson((struct span){ text, 300 + characters[i].size });
			assert_as_jansson((struct span){ text, at + characters[i].size });
		}
	}
}

static void what_is_no_utf8_or_steers_a_terminal_is_replaced(void **state)
{
	static const struct {
		struct span given;
		const char *shown;
	} cases[] = {
		{ { "caf\xe9", 4 }, "{\"t\":\"caf\xef\xbf\xbd\"" },
		{ { "\xc0\xaf", 2 }, "{\"t\":\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ { "\xc2\x9b[2J\xc2\xa0", 7 }, "{\"t\":\"\xef\xbf\xbd[2J\xc2\xa0\"" },
		{ { "\xf0\x9f\x8e", 3 }, "{\"t\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct json_writer writer;
	struct buf b BUF_AUTO;
	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_writer_begin(&writer, &b);
		json_put_text(&writer, SPAN("t"), cases[i].given);
		assert_written(&b, cases[i].shown);
	}
}

static void numbers_have_all_their_digits(void **state)
{
	static const struct {
		int64_t number;
		const char *shown;
	} cases[] = {
		{ 0, "{\"n\":0" },
		{ 10, "{\"n\":10" },
		{ -9, "{\"n\":-9" },
		{ INT64_MAX, "{\"n\":9223372036854775807" },
		{ INT64_MIN, "{\"n\":-9223372036854775808" },
	};
	struct json_writer writer;
	struct buf b BUF_AUTO;
	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_writer_begin(&writer, &b);
		json_put_number(&writer, SPAN("n"), cases[i].number);
		assert_written(&b, cases[i].shown);
	}
	assert_int_equal(number_append(&b, UINT64_MAX), STATUS_OK);
	assert_written(&b, "18446744073709551615");
}

static void after_a_failure_nothing_is_written(void **state)
{
	struct json_writer writer;
	struct buf b BUF_AUTO;
	char text[1000];
	(void)state;
	memset(text, 'a', sizeof(text));
	buf_init(&b, 900);
	json_writer_begin(&writer, &b);
	json_put_text(&writer, SPAN("t"), (struct span){ text, sizeof(text) });
	assert_int_equal(writer.status, STATUS_TOO_LARGE);
	size_t size = buf_size(&b);
	json_put_number(&writer, SPAN("n"), 1);
	json_close_object(&writer);
	assert_int_equal(buf_size(&b), size);
	assert_int_equal(writer.status, STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_in_the_order_in_which_they_are_put),
		cmocka_unit_test(each_byte_of_ascii_is_escaped_as_jansson_does_it),
		cmocka_unit_test(it_does_not_matter_where_in_a_text_a_character_lies),
		cmocka_unit_test(what_is_no_utf8_or_steers_a_terminal_is_replaced),
		cmocka_unit_test(numbers_have_all_their_digits),
		cmocka_unit_test(after_a_failure_nothing_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
