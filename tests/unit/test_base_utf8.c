/* Text that is to be whole characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const struct {
	const char *text, *mended;
} cases[] = {
	{ "", "" },
	{ "plain text", "plain text" },
	{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "cut \xc3", "cut ?" },
	{ "cut \xe2\x82", "cut ??" },
	{ "cut \xf0\x9f\x98", "cut ???" },
	{ "\xff"
	  "026",
	  "?026" },
	{ "overlong \xc0\xaf, surrogate \xed\xa0\x80", "overlong ??, surrogate ???" },
	{ "\x1b[2J\x7f\xc2\x9b", "?[2J???" },
};

static void each_byte_of_no_whole_character_is_replaced(void **state)
{
	char text[64];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s", cases[i].text);
		utf8_mend(text);
		assert_string_equal(text, cases[i].mended);
		assert_true(utf8_is_text(span_of(text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_byte_of_no_whole_character_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
