/*
 * The end-of-data scanner: each case runs whole, byte by byte, cut in two at every place, and through a narrow output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "smtp/body.h"

struct body_case {
	const char *what;
	struct span in;
	struct span out;  /* what goes on, up to a stray byte */
	struct span rest; /* what is left for the next command */
	uint64_t size;
	bool stray;
};

static const struct body_case scan_cases[] = {
	{ "a message ends with CRLF.CRLF", SPAN("a\r\nb\r\n.\r\n"), SPAN("a\r\nb\r\n"), SPAN(""), 6, false },
	{ "an empty message", SPAN(".\r\n"), SPAN(""), SPAN(""), 0, false },
	{ "commands pipelined after it stay", SPAN("a\r\n.\r\nQUIT\r\n"), SPAN("a\r\n"), SPAN("QUIT\r\n"), 3, false },
	{ "a NUL after the end is the next command's", SPAN("a\r\n.\r\n\0"), SPAN("a\r\n"), SPAN("\0"), 3, false },
	{ "a stuffed dot stays stuffed and is not counted", SPAN("..\r\n.\r\n"), SPAN("..\r\n"), SPAN(""), 3, false },
	{ "a stuffed line", SPAN("a\r\n..b\r\n.\r\n"), SPAN("a\r\n..b\r\n"), SPAN(""), 7, false },
	{ "a dot that was not stuffed goes on as it came", SPAN(".b\r\n.\r\n"), SPAN(".b\r\n"), SPAN(""), 3, false },
	{ "a dot within a line is nothing special", SPAN("a.\r\n.\r\n"), SPAN("a.\r\n"), SPAN(""), 4, false },
	{ "bare LF becomes CRLF", SPAN("a\nb\n\r\n.\r\n"), SPAN("a\r\nb\r\n\r\n"), SPAN(""), 8, false },
	{ "LF.LF does not end it", SPAN("a\n.\nb\r\n.\r\n"), SPAN("a\r\n..\r\nb\r\n"), SPAN(""), 9, false },
	{ "LF.CRLF does not end it", SPAN("a\n.\r\nb\r\n.\r\n"), SPAN("a\r\n..\r\nb\r\n"), SPAN(""), 9, false },
	{ "CRLF.LF does not end it", SPAN("a\r\n.\nb\r\n.\r\n"), SPAN("a\r\n\r\nb\r\n"), SPAN(""), 8, false },
	{ "LF.CRLF.CRLF ends at the second dot", SPAN("a\n.\r\n.\r\n"), SPAN("a\r\n..\r\n"), SPAN(""), 6, false },
	{ "CRLF.LF.CRLF does not end it", SPAN("a\r\n.\n.\r\n.\r\n"), SPAN("a\r\n\r\n..\r\n"), SPAN(""), 8, false },
	{ "a bare LF first", SPAN("\n.\r\n.\r\n"), SPAN("\r\n..\r\n"), SPAN(""), 5, false },
	{ "dots after a bare LF are stuffed anew", SPAN("\n..x\r\n.\r\n"), SPAN("\r\n...x\r\n"), SPAN(""), 7, false },
	{ "a file of LF lines", SPAN("h: v\n\n.sig\n.\nend\r\n.\r\n"), SPAN("h: v\r\n\r\n..sig\r\n..\r\nend\r\n"),
	  SPAN(""), 22, false },
	{ "CR.CR does not end it, and is refused", SPAN("a\r.\rb\r\n.\r\n"), SPAN("a"), SPAN(""), 0, true },
	{ "CRLF.CR does not end it", SPAN("a\r\n.\rb\r\n.\r\nX"), SPAN("a\r\n"), SPAN("X"), 0, true },
	{ "a CR in front of CRLF", SPAN("a\r\r\n.\r\nX"), SPAN("a"), SPAN("X"), 0, true },
	{ "CR CRLF.CRLF", SPAN("\r\r\n.\r\nX"), SPAN(""), SPAN("X"), 0, true },
	{ "CRLF.CR CRLF is not the end", SPAN("\r\n.\r\r\n.\r\nX"), SPAN("\r\n"), SPAN("X"), 0, true },
	{ "CRLF CR.CRLF is not the end", SPAN("a\r\n\r.\r\n.\r\nX"), SPAN("a\r\n"), SPAN("X"), 0, true },
	{ "a NUL", SPAN("a\0b\r\n.\r\nX"), SPAN("a"), SPAN("X"), 0, true },
	{ "a NUL that begins a line hides no end", SPAN("\r\n\0.\r\n.\r\nX"), SPAN("\r\n"), SPAN("X"), 0, true },
	{ "a NUL after the dot", SPAN("\r\n.\0\r\n.\r\nX"), SPAN("\r\n"), SPAN("X"), 0, true },
	{ "a NUL between CR and LF", SPAN("a\r\0\n.\r\n\r\n.\r\nX"), SPAN("a"), SPAN("X"), 0, true },
	{ "8-bit bytes pass", SPAN("\xFF\x80\xC3\xA9\r\n.\r\n"), SPAN("\xFF\x80\xC3\xA9\r\n"), SPAN(""), 6, false },
	{ "other control bytes pass", SPAN("\t\v\f\x1B\x7F\r\n.\r\n"), SPAN("\t\v\f\x1B\x7F\r\n"), SPAN(""), 7, false },
};

static void expect_span(struct span got, struct span wanted, const char *what)
{
	if (!span_equal(got, wanted))
		fail_msg("%s: got %zu bytes \"%.*s\", wanted %zu", what, got.size, SPAN_ARGS(got), wanted.size);
}

static void expect_result(const struct body_case *c, const struct body_scanner *scanner, const struct buf *out,
			  struct span rest)
{
	expect_span(buf_span(out), c->out, c->what);
	expect_span(rest, c->rest, c->what);
	assert_int_equal(scanner->has_cr_or_nul, c->stray);
	if (!c->stray && scanner->size != c->size)
		fail_msg("%s: size %lu, wanted %lu", c->what, scanner->size, c->size);
}

/* Feeds pieces of `piece` bytes, the first one `first`. */
static void scan_in_pieces(const struct body_case *c, size_t first, size_t piece)
{
	struct body_scanner scanner = { 0 };
	struct buf out BUF_AUTO;
	size_t at = 0, used = 0;
	buf_init(&out, 4096);
	for (size_t size = first; at < c->in.size; size = piece) {
		struct span part = span_slice(c->in, at, size > c->in.size - at ? c->in.size : at + size);
		enum status status = body_scan(&scanner, part, &out, &used);
		at += used;
		if (status == STATUS_OK)
			break;
		assert_int_equal(status, STATUS_AGAIN);
		assert_int_equal(used, part.size);
		if (at == c->in.size)
			fail_msg("%s: no end found", c->what);
	}
	expect_result(c, &scanner, &out, span_slice(c->in, at, c->in.size));
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scan_cases) / sizeof(*scan_cases); i++) {
		const struct body_case *c = &scan_cases[i];
		scan_in_pieces(c, c->in.size, c->in.size);
		scan_in_pieces(c, 1, 1);
		for (size_t cut = 1; cut < c->in.size; cut++)
			scan_in_pieces(c, cut, c->in.size);
	}
}

/* ---- blocks of many bytes */

#define TEXT_SIZE 600

/* As it comes, up to its end or not: whole, byte by byte, and passed on where nothing changes. */
static void assert_same_in_any_way(struct span in, const char *what)
{
	struct body_scanner whole = { 0 }, bytes = { 0 }, passed = { 0 };
	struct buf outs[3];
	size_t used = 0, at = 0;
	for (size_t i = 0; i < 3; i++)
		buf_init(&outs[i], 4096);
	enum status status = body_scan(&whole, in, &outs[0], &used), other = STATUS_AGAIN;
	for (size_t i = 0; i < in.size && other == STATUS_AGAIN; i++)
		other = body_scan(&bytes, span_slice(in, i, i + 1), &outs[1], &used);
	assert_int_equal(other, status);
	for (other = STATUS_AGAIN; at < in.size && other == STATUS_AGAIN; at += used) {
		size_t size = body_pass(&passed, span_slice(in, at, in.size));
		assert_int_equal(buf_append(&outs[2], span_slice(in, at, at + size)), STATUS_OK);
		at += size;
		other = body_scan(&passed, span_slice(in, at, at + 1), &outs[2], &used);
	}
	assert_int_equal(other, status);
	expect_span(buf_span(&outs[1]), buf_span(&outs[0]), what);
	expect_span(buf_span(&outs[2]), buf_span(&outs[0]), what);
	assert_int_equal(bytes.size, whole.size);
	assert_int_equal(passed.size, whole.size);
	assert_int_equal(bytes.has_cr_or_nul, whole.has_cr_or_nul);
	assert_int_equal(passed.has_cr_or_nul, whole.has_cr_or_nul);
	for (size_t i = 0; i < 3; i++)
		buf_free(&outs[i]);
}

/* What the relay says of the same bytes. */
static void assert_checked_in_any_way(struct span in)
{
	struct body_check whole = { 0 }, bytes = { 0 };
	enum status status = body_check_feed(&whole, in), other = STATUS_OK;
	for (size_t i = 0; i < in.size && other == STATUS_OK; i++)
		other = body_check_feed(&bytes, span_slice(in, i, i + 1));
	assert_int_equal(other, status);
	if (status != STATUS_OK)
		return;
	assert_int_equal(bytes.size, whole.size);
	assert_int_equal(body_check_finish(&bytes), body_check_finish(&whole));
}

/* Lines of every length, so that each byte of a line is at each place of a block. */
static void test_what_needs_a_look_is_found_at_any_place(void **state)
{
	static const struct span marks[] = {
		{ "\n", 1 },    { "\r", 1 },     { "\0", 1 },     { ".", 1 },      { "\n.", 2 },     { "\r.", 2 },
		{ "\r\n.", 3 }, { "\r\n..", 4 }, { "\r\r\n", 3 }, { "\n\r\n", 3 }, { "\n.\r\n", 4 }, { "\r\n.\r\n", 5 },
	};
	char text[TEXT_SIZE];
	(void)state;
	for (size_t line = 2; line < 150; line += 23) {
		for (size_t mark = 0; mark < sizeof(marks) / sizeof(*marks); mark++) {
			for (size_t at = 0; at < 300; at++) {
				for (size_t i = 0; i < TEXT_SIZE; i++)
					text[i] = "x\r\n"[i % line < line - 2 ? 0 : i % line - line + 3];
				memcpy(text + at, marks[mark].data, marks[mark].size);
				assert_same_in_any_way((struct span){ text, TEXT_SIZE }, "a mark in text");
				assert_checked_in_any_way((struct span){ text, TEXT_SIZE });
			}
		}
	}
}

/* The output takes `room` bytes at a time and is emptied when it is full. */
static void scan_through(const struct body_case *c, size_t room)
{
	struct body_scanner scanner = { 0 };
	struct buf narrow BUF_AUTO, all BUF_AUTO;
	size_t at = 0, used = 0;
	enum status status;
	buf_init(&narrow, room);
	buf_init(&all, 4096);
	do {
		status = body_scan(&scanner, span_slice(c->in, at, c->in.size), &narrow, &used);
		at += used;
		assert_int_equal(buf_append(&all, buf_span(&narrow)), STATUS_OK);
		buf_clear(&narrow);
	} while (status == STATUS_TOO_LARGE);
	assert_int_equal(status, STATUS_OK);
	expect_result(c, &scanner, &all, span_slice(c->in, at, c->in.size));
}

static void test_goes_on_after_a_full_output(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scan_cases) / sizeof(*scan_cases); i++) {
		for (size_t room = BODY_ROOM_LEAST; room < 8; room++)
			scan_through(&scan_cases[i], room);
	}
}

static void test_a_full_output_takes_nothing(void **state)
{
	(void)state;
	struct body_scanner scanner = { 0 };
	struct buf out BUF_AUTO;
	size_t used = 99;
	buf_init(&out, 1);
	assert_int_equal(body_scan(&scanner, SPAN("abc\r\n"), &out, &used), STATUS_TOO_LARGE);
	assert_int_equal(used, 0);
	assert_int_equal(buf_size(&out), 0);
}

static void test_nothing_in_is_not_the_end(void **state)
{
	(void)state;
	struct body_scanner scanner = { 0 };
	struct buf out BUF_AUTO;
	size_t used = 99;
	buf_init(&out, 10);
	assert_int_equal(body_scan(&scanner, (struct span){ NULL, 0 }, &out, &used), STATUS_AGAIN);
	assert_int_equal(used, 0);
}

/* A mebibyte of one pattern; were the scan quadratic, this would take minutes. */
static void scan_many(const char *pattern, size_t size, bool stray)
{
	static char in[1U << 20];
	struct body_scanner scanner = { 0 };
	struct buf out BUF_AUTO;
	size_t used = 0;
	buf_init(&out, 2 * sizeof(in) + 2);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = pattern[i % size];
	assert_int_equal(body_scan(&scanner, (struct span){ in, sizeof(in) }, &out, &used), STATUS_AGAIN);
	assert_int_equal(used, sizeof(in));
	assert_int_equal(scanner.has_cr_or_nul, stray);
}

static void test_hostile_patterns_are_scanned_in_linear_time(void **state)
{
	(void)state;
	scan_many("\n", 1, false);
	scan_many("\r", 1, true);
	scan_many("\0", 1, true);
	scan_many("\n.", 2, false);
	scan_many("x\r", 2, true);
	scan_many("\r\n.\n", 4, false);
	scan_many("x", 1, false);
}

/* ---- the relay's check */

struct check_case {
	const char *what;
	struct span bytes;
	enum status fed, finished;
	uint64_t size;
};

static const struct check_case check_cases[] = {
	{ "lines", SPAN("a\r\n\r\nb\r\n"), STATUS_OK, STATUS_OK, 8 },
	{ "nothing", SPAN(""), STATUS_OK, STATUS_OK, 0 },
	{ "stuffed dots are not counted", SPAN("..\r\n..x\r\n.y\r\n"), STATUS_OK, STATUS_OK, 10 },
	{ "an unfinished line", SPAN("a\r\nb"), STATUS_OK, STATUS_INVALID, 4 },
	{ "a CR at the end", SPAN("a\r"), STATUS_OK, STATUS_INVALID, 2 },
	{ "a dot at the end", SPAN("a\r\n."), STATUS_OK, STATUS_INVALID, 3 },
	{ "a dot and a CR at the end", SPAN("a\r\n.\r"), STATUS_OK, STATUS_INVALID, 4 },
	{ "a terminator within", SPAN("a\r\n.\r\nMAIL FROM:<>\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "a terminator first", SPAN(".\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "a bare LF", SPAN("a\nb\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "a bare LF first", SPAN("\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "a bare CR", SPAN("a\rb\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "CR.CR", SPAN("\r.\r\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "a NUL", SPAN("a\0\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "a NUL after a dot", SPAN("a\r\n.\0\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "CRLF.LF", SPAN("a\r\n.\n"), STATUS_INVALID, STATUS_INVALID, 0 },
	{ "CRLF.CR", SPAN("a\r\n.\ra\r\n"), STATUS_INVALID, STATUS_INVALID, 0 },
};

static void check_in_pieces(const struct check_case *c, size_t piece)
{
	struct body_check check = { 0 };
	enum status status = STATUS_OK;
	for (size_t at = 0; at < c->bytes.size; at += piece)
		status = body_check_feed(&check, span_slice(c->bytes, at, at + piece));
	if (status != c->fed || body_check_finish(&check) != c->finished)
		fail_msg("%s: pieces of %zu: %s", c->what, piece, status_text(status));
	if (c->fed == STATUS_OK)
		assert_int_equal(check.size, c->size);
}

static void test_the_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(check_cases) / sizeof(*check_cases); i++) {
		for (size_t piece = 1; piece <= check_cases[i].bytes.size; piece++)
			check_in_pieces(&check_cases[i], piece);
	}
}

static void test_the_check_agrees_with_the_scanner(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scan_cases) / sizeof(*scan_cases); i++) {
		struct body_check check = { 0 };
		assert_int_equal(body_check_feed(&check, scan_cases[i].out), STATUS_OK);
		if (scan_cases[i].stray)
			continue;
		assert_int_equal(body_check_finish(&check), STATUS_OK);
		assert_int_equal(check.size, scan_cases[i].size);
	}
}

static void test_the_check_sees_eight_bit_bytes(void **state)
{
	struct body_check check = { 0 };
	(void)state;
	assert_int_equal(body_check_feed(&check, SPAN("Subject: x\x7F\r\n")), STATUS_OK);
	assert_false(check.has_eight_bit);
	assert_int_equal(body_check_feed(&check, SPAN("x\x80")), STATUS_OK);
	assert_int_equal(body_check_feed(&check, SPAN("\r\n")), STATUS_OK);
	assert_true(check.has_eight_bit);
}

static void test_the_check_sees_an_eight_bit_byte_at_any_place(void **state)
{
	char text[TEXT_SIZE];
	(void)state;
	for (size_t at = 0; at < TEXT_SIZE; at++) {
		struct body_check check = { 0 };
		memset(text, 'x', TEXT_SIZE);
		text[at] = '\x80';
		assert_int_equal(body_check_feed(&check, (struct span){ text, TEXT_SIZE }), STATUS_OK);
		assert_true(check.has_eight_bit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_check_sees_eight_bit_bytes),
		cmocka_unit_test(test_the_check_sees_an_eight_bit_byte_at_any_place),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_what_needs_a_look_is_found_at_any_place),
		cmocka_unit_test(test_goes_on_after_a_full_output),
		cmocka_unit_test(test_a_full_output_takes_nothing),
		cmocka_unit_test(test_nothing_in_is_not_the_end),
		cmocka_unit_test(test_hostile_patterns_are_scanned_in_linear_time),
		cmocka_unit_test(test_the_check),
		cmocka_unit_test(test_the_check_agrees_with_the_scanner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
