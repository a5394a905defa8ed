/* Records as a table for spreadsheets: RFC 4180, and nothing in it that one would run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "console/pages/csv.h"

#define ROOM 4096

static void a_cell_is_text_and_no_formula(void **state)
{
	(void)state;
	static const struct {
		const char *text, *cell;
	} cases[] = {
		{ "", "\"\"" },
		{ "a", "\"a\"" },
		{ "a,b\r\nc", "\"a,b\r\nc\"" },
		{ "say \"hi\"", "\"say \"\"hi\"\"\"" },
		{ "\"", "\"\"\"\"" },
		{ "=1+1", "\"'=1+1\"" },
		{ "+84", "\"'+84\"" },
		{ "-1", "\"'-1\"" },
		{ "@SUM(A1)", "\"'@SUM(A1)\"" },
		{ "\t=1", "\"'\t'=1\"" },
		{ "\r=1", "\"'\r'=1\"" },
		{ "\n=1", "\"'\n'=1\"" },
		{ " =1", "\" '=1\"" },
		{ "x;=1;y;@z", "\"x;'=1;y;'@z\"" },
		{ "x; \v-1", "\"x; \v'-1\"" },
		{ "x;\"+1\"", "\"x;\"\"'+1\"\"\"" },
		{ "x\t=1", "\"x\t'=1\"" },
		{ "x;\ty", "\"x;'\ty\"" },
		{ "x\r\n=1\ny\r-1", "\"x\r\n'=1\ny\r'-1\"" },
		{ "x;y=1 -2", "\"x;y=1 -2\"" },
		{ "=\"a\"", "\"'=\"\"a\"\"\"" },
		{ "a=1", "\"a=1\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, ROOM);
		assert_int_equal(csv_add_cell(span_of(cases[i].text), &out), STATUS_OK);
		if (!span_equal(buf_span(&out), span_of(cases[i].cell)))
			fail_msg("%s: %.*s", cases[i].text, SPAN_ARGS(buf_span(&out)));
	}
	struct buf out BUF_AUTO;
	buf_init(&out, ROOM);
	assert_int_equal(csv_add_cell((struct span){ "\0=1", 3 }, &out), STATUS_OK);
	assert_true(span_equal(buf_span(&out), (struct span){ "\"\0'=1\"", 6 }));
}

static void a_record_fills_its_columns(void **state)
{
	(void)state;
	static const char head[] =
		"\"time\",\"type\",\"user\",\"client_address\",\"mail_from\",\"recipients\",\"size\",\"relay\","
		"\"code\","
		"\"answer\",\"reason\",\"message\",\"message_id\",\"session\",\"admin\",\"command\",\"object\","
		"\"node\"\r\n";
	static const char line[] = "\"T\",\"message.sent\",\"a@b\",\"\",\"'=cmd|' /C calc'!A0\",\"x@y "
				   "'+z\",\"7\",\"\",\"250\",\"2.0.0 ok\","
				   "\"\",\"M\",\"\",\"\",\"\",\"\",\"\",\"n\"\r\n";
	json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:[{s:s}, {s:s}], s:i, s:{s:i, s:s}, s:s, s:s, s:{s:s}}", "ts",
				   "T", "type", "message.sent", "user", "a@b", "mail_from", "=cmd|' /C calc'!A0",
				   "rcpt_to", "address", "x@y", "address", "'+z", "size", 7, "response", "code", 250,
				   "text", "2.0.0 ok", "message", "M", "node", "n", "chain", "id", "c");
	struct buf out BUF_AUTO;
	buf_init(&out, ROOM);
	assert_int_equal(csv_add_head(&out), STATUS_OK);
	assert_true(span_equal(buf_span(&out), span_of(head)));
	buf_clear(&out);
	assert_int_equal(csv_add_record(record, &out), STATUS_OK);
	if (!span_equal(buf_span(&out), span_of(line)))
		fail_msg("%.*s", SPAN_ARGS(buf_span(&out)));
	json_decref(record);
}

/* What is of another kind than expected is no cell, and breaks nothing. */
static void a_strange_record_has_its_columns_too(void **state)
{
	(void)state;
	static const char *const records[] = { "{}", "{\"ts\":[],\"rcpt_to\":{\"a\":1},\"response\":7}",
					       "{\"rcpt_to\":[1,{\"address\":2}],\"size\":{}}" };
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct buf out BUF_AUTO;
		json_t *record = json_loads(records[i], 0, NULL);
		buf_init(&out, ROOM);
		assert_int_equal(csv_add_record(record, &out), STATUS_OK);
		size_t commas = 0;
		struct span text = buf_span(&out);
		for (size_t k = 0; k < text.size; k++)
			commas += text.data[k] == ',';
		assert_int_equal(commas, 17);
		json_decref(record);
	}
}

static void what_has_no_room_is_told(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 4);
	assert_int_equal(csv_add_cell(SPAN("abc"), &out), STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cell_is_text_and_no_formula),
		cmocka_unit_test(a_record_fills_its_columns),
		cmocka_unit_test(a_strange_record_has_its_columns_too),
		cmocka_unit_test(what_has_no_room_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
