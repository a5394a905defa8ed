/* Replies: our text form, what goes to clients, what comes from upstreams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "smtp/reply.h"

struct read_case {
	struct span text;
	unsigned code; /* 0: refused */
	const char *enhanced, *rest;
};

static const struct read_case read_cases[] = {
	{ SPAN("250 2.1.5 OK"), 250, "2.1.5", "OK" },
	{ SPAN("250 2.0.0 one\ntwo"), 250, "2.0.0", "one\ntwo" },
	{ SPAN("354 Go ahead"), 354, "", "Go ahead" },
	{ SPAN("354 2.0.0 x"), 354, "", "2.0.0 x" },
	{ SPAN("250"), 250, "", "" },
	{ SPAN("250 "), 250, "", "" },
	{ SPAN("550 5.7.139"), 550, "5.7.139", "" },
	{ SPAN("550 5.7.1\nmore"), 550, "5.7.1", "\nmore" },
	{ SPAN("550 2.7.1 class differs"), 550, "", "2.7.1 class differs" },
	{ SPAN("550 5.7.1234 x"), 550, "", "5.7.1234 x" },
	{ SPAN("550 5.7 x"), 550, "", "5.7 x" },
	{ SPAN("550 5.7.1x"), 550, "", "5.7.1x" },
	{ SPAN("550 5..1 x"), 550, "", "5..1 x" },
	{ SPAN(""), 0, NULL, NULL },
	{ SPAN("25"), 0, NULL, NULL },
	{ SPAN("2500 x"), 0, NULL, NULL },
	{ SPAN("250-x"), 0, NULL, NULL },
	{ SPAN("199 x"), 0, NULL, NULL },
	{ SPAN("600 x"), 0, NULL, NULL },
	{ SPAN("25a x"), 0, NULL, NULL },
	{ SPAN("250 x\r\ny"), 0, NULL, NULL },
	{ SPAN("250 x\0y"), 0, NULL, NULL },
};

static void test_reading_our_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(read_cases) / sizeof(*read_cases); i++) {
		const struct read_case *c = &read_cases[i];
		struct reply reply;
		enum status status = reply_read(c->text, &reply);
		if ((status == STATUS_OK) != (c->code != 0))
			fail_msg("\"%.*s\": %s", SPAN_ARGS(c->text), status_text(status));
		if (c->code == 0)
			continue;
		assert_int_equal(reply.code, c->code);
		if (!span_equal(reply.enhanced, span_of(c->enhanced)) || !span_equal(reply.text, span_of(c->rest)))
			fail_msg("\"%.*s\" falls apart wrongly", SPAN_ARGS(c->text));
	}
}

static void expect_written(struct reply reply, const char *wanted)
{
	struct buf b BUF_AUTO;
	buf_init(&b, 1000);
	assert_int_equal(reply_write(&b, &reply), STATUS_OK);
	if (!span_equal(buf_span(&b), span_of(wanted)))
		fail_msg("\"%.*s\", wanted \"%s\"", SPAN_ARGS(buf_span(&b)), wanted);
}

static void test_writing_our_form(void **state)
{
	(void)state;
	expect_written((struct reply){ 250, SPAN("2.1.5"), SPAN("OK") }, "250 2.1.5 OK");
	expect_written((struct reply){ 250, SPAN(""), SPAN("a\nb") }, "250 a\nb");
	expect_written((struct reply){ 354, SPAN(""), SPAN("") }, "354");
	expect_written((struct reply){ 550, SPAN("5.7.1"), SPAN("a\r\0\x1B\tb\x7F") }, "550 5.7.1 a????b?");
}

static void test_writing_nonsense_is_refused(void **state)
{
	(void)state;
	struct buf b BUF_AUTO;
	buf_init(&b, 1000);
	assert_int_equal(reply_write(&b, &(struct reply){ 0, SPAN(""), SPAN("x") }), STATUS_INVALID);
	assert_int_equal(reply_write(&b, &(struct reply){ 250, SPAN("2.0.0\r\n"), SPAN("x") }), STATUS_INVALID);
	assert_int_equal(reply_write(&b, &(struct reply){ 250, SPAN("5.0.0"), SPAN("x") }), STATUS_INVALID);
	assert_int_equal(reply_write_wire(&b, SPAN("hello"), false), STATUS_INVALID);
	assert_int_equal(buf_size(&b), 0);
}

struct wire_case {
	const char *text;
	bool utf8;
	const char *wire;
};

static const struct wire_case wire_cases[] = {
	{ "250 2.0.0 OK", false, "250 2.0.0 OK\r\n" },
	{ "250 2.0.0 one\ntwo", false, "250-2.0.0 one\r\n250 2.0.0 two\r\n" },
	{ "250 host\nSIZE 5\nHELP", false, "250-host\r\n250-SIZE 5\r\n250 HELP\r\n" },
	{ "250", false, "250 \r\n" },
	{ "250 2.0.0", false, "250 2.0.0\r\n" },
	{ "250 2.0.0 a\n\nb", false, "250-2.0.0 a\r\n250-2.0.0\r\n250 2.0.0 b\r\n" },
	{ "250 a\n", false, "250-a\r\n250 \r\n" },
	{ "550 5.7.1 gr\xC3\xBC\xC3\x9F\x1B[1m", false,
	  "550 5.7.1 gr????"
	  "?[1m\r\n" },
	{ "550 5.7.1 gr\xC3\xBC\xC3\x9F \xFF", true, "550 5.7.1 gr\xC3\xBC\xC3\x9F ?\r\n" },
};

static void test_to_the_wire(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wire_cases) / sizeof(*wire_cases); i++) {
		const struct wire_case *c = &wire_cases[i];
		struct buf b BUF_AUTO;
		buf_init(&b, 1000);
		assert_int_equal(reply_write_wire(&b, span_of(c->text), c->utf8), STATUS_OK);
		if (!span_equal(buf_span(&b), span_of(c->wire)))
			fail_msg("\"%s\" becomes \"%.*s\"", c->text, SPAN_ARGS(buf_span(&b)));
	}
}

static void test_a_full_buffer_gets_nothing(void **state)
{
	(void)state;
	struct buf b BUF_AUTO;
	buf_init(&b, 20);
	assert_int_equal(reply_write_wire(&b, SPAN("250 2.0.0 one\ntwo"), false), STATUS_TOO_LARGE);
	assert_int_equal(buf_size(&b), 0);
	assert_int_equal(reply_write(&b, &(struct reply){ 250, SPAN(""), SPAN("more than twenty bytes") }),
			 STATUS_TOO_LARGE);
	assert_int_equal(buf_size(&b), 0);
}

/* Folds `size` bytes of `unit`, and reads the wire form back as a client would. */
static void fold_and_parse(const char *unit, size_t size, bool utf8, const char *joint)
{
	struct buf text BUF_AUTO, wire BUF_AUTO, scratch BUF_AUTO, joined BUF_AUTO;
	struct reply reply;
	size_t used;
	buf_init(&text, 70000);
	buf_init(&wire, 90000);
	buf_init(&scratch, 90000);
	buf_init(&joined, 90000);
	assert_int_equal(buf_append_text(&text, "550 5.7.1 "), STATUS_OK);
	while (buf_size(&text) < size)
		assert_int_equal(buf_append_text(&text, unit), STATUS_OK);
	assert_int_equal(reply_write_wire(&wire, buf_span(&text), utf8), STATUS_OK);
	assert_int_equal(reply_parse_wire(buf_span(&wire), &scratch, &reply, &used), STATUS_OK);
	assert_int_equal(used, buf_size(&wire));

	struct span rest = buf_span(&wire), line;
	while (span_cut(&rest, '\n', &line))
		assert_true(line.size <= 501);
	struct span lines = reply.text;
	for (bool first = true; span_cut(&lines, '\n', &line); first = false) {
		if (!first)
			assert_int_equal(buf_append_text(&joined, joint), STATUS_OK);
		assert_int_equal(buf_append(&joined, line), STATUS_OK);
	}
	assert_true(span_equal(buf_span(&joined), span_slice(buf_span(&text), 10, buf_size(&text))));
}

static void test_long_lines_are_folded_and_nothing_is_lost(void **state)
{
	(void)state;
	fold_and_parse("word ", 5000, false, " ");
	fold_and_parse("x", 5000, false, "");
	fold_and_parse("\xE6\x97\xA5", 5000, true, "");
}

struct parse_case {
	const char *what;
	struct span bytes;
	enum status status;
	size_t used;
	unsigned code;
	const char *enhanced, *text;
};

static const struct parse_case parse_cases[] = {
	{ "one line", SPAN("250 2.1.5 OK\r\n"), STATUS_OK, 14, 250, "2.1.5", "OK" },
	{ "a second reply stays", SPAN("250 OK\r\n550 x\r\n"), STATUS_OK, 8, 250, "", "OK" },
	{ "no text", SPAN("250\r\n"), STATUS_OK, 5, 250, "", "" },
	{ "several lines", SPAN("250-2.0.0 a\r\n250-2.0.0 b\r\n250 2.0.0 c\r\n"), STATUS_OK, 39, 250, "2.0.0",
	  "a\nb\nc" },
	{ "a line that repeats no code", SPAN("550-5.7.1 a\r\n550 b\r\n"), STATUS_OK, 20, 550, "5.7.1", "a\nb" },
	{ "a line of the code alone", SPAN("550-5.7.1\r\n550 5.7.1\r\n"), STATUS_OK, 22, 550, "5.7.1", "\n" },
	{ "a longer number is not the code", SPAN("550-5.7.1 a\r\n550 5.7.13 b\r\n"), STATUS_OK, 27, 550, "5.7.1",
	  "a\n5.7.13 b" },
	{ "EHLO", SPAN("250-host\r\n250-SIZE 5\r\n250 HELP\r\n"), STATUS_OK, 32, 250, "", "host\nSIZE 5\nHELP" },
	{ "8-bit text is kept", SPAN("550 \xFF\x80\r\n"), STATUS_OK, 8, 550, "", "\xFF\x80" },
	{ "codes that differ", SPAN("250-a\r\n550 b\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "a bare LF", SPAN("250 a\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "a bare LF between", SPAN("250-a\n250 b\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "a bare CR", SPAN("250 a\rb\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "CR CR LF", SPAN("250 a\r\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "a NUL", SPAN("250 a\0b\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "no digits", SPAN("hello\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "an empty line", SPAN("\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "a code of 100", SPAN("100 a\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "four digits", SPAN("2500 a\r\n"), STATUS_INVALID, 0, 0, NULL, NULL },
	{ "no end", SPAN("250-a\r\n250 b"), STATUS_AGAIN, 0, 0, NULL, NULL },
	{ "nothing", SPAN(""), STATUS_AGAIN, 0, 0, NULL, NULL },
};

static void test_from_the_wire(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(parse_cases) / sizeof(*parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		struct buf scratch BUF_AUTO;
		struct reply reply;
		size_t used = 0;
		buf_init(&scratch, REPLY_SIZE_MAXIMUM);
		enum status status = reply_parse_wire(c->bytes, &scratch, &reply, &used);
		if (status != c->status || used != c->used)
			fail_msg("%s: %s, %zu used", c->what, status_text(status), used);
		if (status != STATUS_OK)
			continue;
		assert_int_equal(reply.code, c->code);
		if (!span_equal(reply.enhanced, span_of(c->enhanced)) || !span_equal(reply.text, span_of(c->text)))
			fail_msg("%s: \"%.*s\"", c->what, SPAN_ARGS(reply.text));
		for (size_t size = 0; size < c->used; size++)
			assert_int_equal(reply_parse_wire(span_slice(c->bytes, 0, size), &scratch, &reply, &used),
					 STATUS_AGAIN);
	}
}

static void test_an_upstream_cannot_fill_our_memory(void **state)
{
	(void)state;
	static char bytes[2 * REPLY_SIZE_MAXIMUM];
	struct buf scratch BUF_AUTO;
	struct reply reply;
	size_t used;
	buf_init(&scratch, REPLY_SIZE_MAXIMUM);
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "250 ", 4);
	assert_int_equal(reply_parse_wire((struct span){ bytes, REPLY_LINE_MAXIMUM - 1 }, &scratch, &reply, &used),
			 STATUS_AGAIN);
	assert_int_equal(reply_parse_wire((struct span){ bytes, REPLY_LINE_MAXIMUM }, &scratch, &reply, &used),
			 STATUS_TOO_LARGE);
	for (size_t at = 0; at + 8 <= sizeof(bytes); at += 8)
		memcpy(bytes + at, "250-ab\r\n", 8);
	assert_int_equal(reply_parse_wire((struct span){ bytes, REPLY_SIZE_MAXIMUM - 8 }, &scratch, &reply, &used),
			 STATUS_AGAIN);
	assert_int_equal(reply_parse_wire((struct span){ bytes, sizeof(bytes) }, &scratch, &reply, &used),
			 STATUS_TOO_LARGE);
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "250-a\r\n550-", 11);
	assert_int_equal(reply_parse_wire((struct span){ bytes, sizeof(bytes) }, &scratch, &reply, &used),
			 STATUS_INVALID);
}

static void test_what_is_too_large_has_a_beginning(void **state)
{
	static const struct {
		const char *bytes;
		unsigned code;
		const char *enhanced, *text;
	} cases[] = {
		{ "250-2.0.0 queued\r\n250-and\r\n", 250, "2.0.0", "queued" },
		{ "250-queued", 250, "", "queued" },
		{ "552-5.3.4\r\n", 552, "5.3.4", "" },
		{ "250 \n", 250, "", "" },
		{ "250-a\0b", 250, "", "a" },
		{ "25", 0, NULL, NULL },
		{ "250", 0, NULL, NULL },
		{ "250x", 0, NULL, NULL },
		{ "150-no", 0, NULL, NULL },
		{ "", 0, NULL, NULL },
	};
	struct reply reply;
	char long_line[3000];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum status status = reply_parse_begin(span_of(cases[i].bytes), &reply);
		assert_int_equal(status, cases[i].code ? STATUS_OK : STATUS_INVALID);
		if (status != STATUS_OK)
			continue;
		assert_int_equal(reply.code, cases[i].code);
		assert_true(span_equal(reply.enhanced, span_of(cases[i].enhanced)));
		assert_true(span_equal(reply.text, span_of(cases[i].text)));
	}
	memset(long_line, 'x', sizeof(long_line));
	memcpy(long_line, "250-", 4);
	assert_int_equal(reply_parse_begin((struct span){ long_line, sizeof(long_line) }, &reply), STATUS_OK);
	assert_int_equal(reply.text.size, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading_our_form),
		cmocka_unit_test(test_writing_our_form),
		cmocka_unit_test(test_writing_nonsense_is_refused),
		cmocka_unit_test(test_to_the_wire),
		cmocka_unit_test(test_a_full_buffer_gets_nothing),
		cmocka_unit_test(test_long_lines_are_folded_and_nothing_is_lost),
		cmocka_unit_test(test_from_the_wire),
		cmocka_unit_test(test_an_upstream_cannot_fill_our_memory),
		cmocka_unit_test(test_what_is_too_large_has_a_beginning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
