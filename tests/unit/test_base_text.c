/* Text of strangers, as people are shown it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

static void what_is_not_seen_is_escaped(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "", "" },
		{ "anna@example.com", "anna@example.com" },
		{ "b\xc3\xbc"
		  "cher \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
		  "b\xc3\xbc"
		  "cher \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80" },
		{ "a\\b", "a\\\\b" },
		{ "a\x1b[2Jb\n", "a\\u{1b}[2Jb\\u{a}" },
		{ "\x7f\xc2\x9b", "\\u{7f}\\u{9b}" },
		{ "abc\xe2\x80\xae"
		  "fed",
		  "abc\\u{202e}fed" },
		{ "a\xe2\x80\x8b"
		  "b\xef\xbb\xbf",
		  "a\\u{200b}b\\u{feff}" },
		/* no UTF-8: a byte alone, cut off, too long, half of a pair, past the last */
		{ "a\xff"
		  "b",
		  "a\\xffb" },
		{ "\xc3", "\\xc3" },
		{ "\xe6\x97", "\\xe6\\x97" },
		{ "\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf shown BUF_AUTO;
		buf_init(&shown, 100);
		assert_int_equal(text_escape(span_of(cases[i].text), &shown), STATUS_OK);
		assert_true(span_equal(buf_span(&shown), span_of(cases[i].shown)));
	}
}

static void what_has_no_room_is_said(void **state)
{
	struct buf shown BUF_AUTO;
	(void)state;
	buf_init(&shown, 5);
	assert_int_equal(text_escape(SPAN("a\x01"), &shown), STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_seen_is_escaped),
		cmocka_unit_test(what_has_no_room_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
