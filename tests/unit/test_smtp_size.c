/* Sizes of messages against the largest one that is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/span.h"
#include "smtp/size.h"

static const struct size_case {
	const char *what;
	uint64_t so_far, more, maximum;
	bool exceeds;
} cases[] = {
	{ "nothing is not too large", 0, 0, 100, false },
	{ "the largest one is taken", 0, 100, 100, false },
	{ "one byte more is not", 0, 101, 100, true },
	{ "the last byte after others is taken", 99, 1, 100, false },
	{ "and not the next", 99, 2, 100, true },
	{ "nothing more after too many", 101, 0, 100, true },
	{ "a sum that overflows is too large", 2, UINT64_MAX, 100, true },
	{ "as is one of too many", UINT64_MAX, UINT64_MAX, 100, true },
};

static void sizes_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (size_exceeds(cases[i].so_far, cases[i].more, cases[i].maximum) != cases[i].exceeds)
			fail_msg("%s", cases[i].what);
}

static void the_refusal_names_the_largest(void **state)
{
	char text[SIZE_REFUSAL_MAXIMUM];
	(void)state;
	size_format_refusal(36700160, text);
	assert_string_equal(text, "552 5.3.4 Message too large: at most 36700160 bytes are taken");
	size_format_refusal(UINT64_MAX, text);
	assert_string_equal(text, "552 5.3.4 Message too large: at most 18446744073709551615 bytes are taken");
	assert_true(span_starts_with(span_of(text), SPAN(SIZE_REFUSAL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_judged),
		cmocka_unit_test(the_refusal_names_the_largest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
