/*
 * Chunks made wire form: each case runs whole, byte by byte, and cut in two chunks at every place; and what BDAT
 * announces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "smtp/body.h"
#include "smtp/chunk.h"

struct chunk_case {
	const char *what;
	struct span in;
	struct span out;
	bool stray; /* then `out` does not count */
};

static const struct chunk_case scan_cases[] = {
	{ "an empty message stays empty", SPAN(""), SPAN(""), false },
	{ "lines go on as they are", SPAN("a\r\nb\r\n"), SPAN("a\r\nb\r\n"), false },
	{ "a last line without end gets one", SPAN("a\r\nb"), SPAN("a\r\nb\r\n"), false },
	{ "a dot alone is text, and stuffed", SPAN(".\r\n"), SPAN("..\r\n"), false },
	{ "a dot alone at the very end", SPAN("a\r\n."), SPAN("a\r\n..\r\n"), false },
	{ "what would end DATA is text", SPAN("a\r\n.\r\nQUIT\r\n"), SPAN("a\r\n..\r\nQUIT\r\n"), false },
	{ "two dots become three", SPAN("..a\r\n"), SPAN("...a\r\n"), false },
	{ "a dot within a line is nothing special", SPAN("a.\r\nb.c\r\n"), SPAN("a.\r\nb.c\r\n"), false },
	{ "bare LF becomes CRLF", SPAN("a\nb\n"), SPAN("a\r\nb\r\n"), false },
	{ "dots after a bare LF are stuffed", SPAN("a\n.\nb\n.\r\n"), SPAN("a\r\n..\r\nb\r\n..\r\n"), false },
	{ "empty lines", SPAN("\r\n\n\r\n"), SPAN("\r\n\r\n\r\n"), false },
	{ "bytes above 127 and control bytes go on", SPAN("\xff\x80\x01\t\r\n"), SPAN("\xff\x80\x01\t\r\n"), false },
	{ "a CR within a line", SPAN("a\rb\r\n"), SPAN(""), true },
	{ "a CR at the end", SPAN("a\r\nb\r"), SPAN(""), true },
	{ "two CRs in front of a LF", SPAN("a\r\r\n"), SPAN(""), true },
	{ "a CR that begins a line", SPAN("\r.\r\n"), SPAN(""), true },
	{ "a NUL", SPAN("a\0b\r\n"), SPAN(""), true },
	{ "a NUL between CR and LF", SPAN("a\r\0\n"), SPAN(""), true },
};

/* The relay takes what comes out, and counts the same. */
static void expect_taken_by_the_check(const struct chunk_case *c, struct span out, uint64_t size)
{
	struct body_check check = { 0 };
	if (body_check_feed(&check, out) != STATUS_OK || body_check_finish(&check) != STATUS_OK || check.size != size)
		fail_msg("%s: the check does not take \"%.*s\", or counts otherwise", c->what, SPAN_ARGS(out));
}

static void scan_in_pieces(const struct chunk_case *c, size_t first, size_t piece)
{
	struct chunk_scanner scanner = { 0 };
	struct buf out BUF_AUTO;
	size_t at = 0;
	buf_init(&out, 4096);
	for (size_t size = first; at < c->in.size; size = piece) {
		struct span part = span_slice(c->in, at, at + size);
		assert_int_equal(chunk_scan(&scanner, part, &out), STATUS_OK);
		at += part.size;
	}
	assert_int_equal(chunk_scan_end(&scanner, &out), STATUS_OK);
	if (scanner.has_cr_or_nul != c->stray)
		fail_msg("%s: stray is %d", c->what, scanner.has_cr_or_nul);
	if (c->stray)
		return;
	if (!span_equal(buf_span(&out), c->out))
		fail_msg("%s: got \"%.*s\"", c->what, SPAN_ARGS(buf_span(&out)));
	expect_taken_by_the_check(c, buf_span(&out), scanner.size);
}

static void octets_become_wire_form_however_they_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scan_cases) / sizeof(*scan_cases); i++) {
		const struct chunk_case *c = &scan_cases[i];
		scan_in_pieces(c, c->in.size, c->in.size);
		scan_in_pieces(c, 1, 1);
		for (size_t cut = 1; cut < c->in.size; cut++)
			scan_in_pieces(c, cut, c->in.size);
	}
}

static void what_follows_a_stray_byte_goes_nowhere_and_counts(void **state)
{
	struct chunk_scanner scanner = { 0 };
	struct buf out BUF_AUTO;
	(void)state;
	buf_init(&out, 100);
	assert_int_equal(chunk_scan(&scanner, SPAN("a\r\nb\rc\r\nd\r\n"), &out), STATUS_OK);
	assert_int_equal(chunk_scan(&scanner, SPAN("e\r\n"), &out), STATUS_OK);
	assert_int_equal(chunk_scan_end(&scanner, &out), STATUS_OK);
	assert_true(scanner.has_cr_or_nul);
	assert_true(span_equal(buf_span(&out), SPAN("a\r\n")));
	assert_int_equal(scanner.size, 14);
}

static void an_output_without_room_is_told(void **state)
{
	struct chunk_scanner scanner = { 0 };
	struct buf out BUF_AUTO;
	(void)state;
	buf_init(&out, 5);
	assert_int_equal(chunk_scan(&scanner, SPAN("\n\n\n"), &out), STATUS_TOO_LARGE);
}

struct announcement_case {
	const char *argument;
	enum status status;
	uint64_t size;
	bool is_last;
};

static const struct announcement_case announcement_cases[] = {
	{ "0", STATUS_OK, 0, false },
	{ "1000", STATUS_OK, 1000, false },
	{ "0 LAST", STATUS_OK, 0, true },
	{ "86 last", STATUS_OK, 86, true },
	{ "86   LAST", STATUS_OK, 86, true },
	{ "18446744073709551615", STATUS_OK, UINT64_MAX, false },
	{ "18446744073709551616", STATUS_INVALID, 0, false },
	{ "", STATUS_INVALID, 0, false },
	{ "LAST", STATUS_INVALID, 0, false },
	{ "-1", STATUS_INVALID, 0, false },
	{ "+1", STATUS_INVALID, 0, false },
	{ "0x10", STATUS_INVALID, 0, false },
	{ "1e3", STATUS_INVALID, 0, false },
	{ "10,LAST", STATUS_INVALID, 0, false },
	{ "10 LAST LAST", STATUS_INVALID, 0, false },
	{ "10 20", STATUS_INVALID, 0, false },
};

static void an_announcement_is_a_number_and_perhaps_last(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(announcement_cases) / sizeof(*announcement_cases); i++) {
		const struct announcement_case *c = &announcement_cases[i];
		struct chunk_announcement got = { 0 };
		if (chunk_read(span_of(c->argument), &got) != c->status || got.size != c->size ||
		    got.is_last != c->is_last)
			fail_msg("BDAT %s is read as size %lu, last %d", c->argument, got.size, got.is_last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_become_wire_form_however_they_are_cut),
		cmocka_unit_test(what_follows_a_stray_byte_goes_nowhere_and_counts),
		cmocka_unit_test(an_output_without_room_is_told),
		cmocka_unit_test(an_announcement_is_a_number_and_perhaps_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
