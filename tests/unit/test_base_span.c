/* Spans: views that never look past their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/span.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void spans_compare_by_their_bytes(void **state)
{
	static const struct {
		struct span a, b;
		bool equal, equal_nocase;
	} cases[] = {
		{ SPAN(""), { NULL, 0 }, true, true },
		{ SPAN("mail"), SPAN("mail"), true, true },
		{ SPAN("MAIL"), SPAN("mail"), false, true },
		{ SPAN("mail"), SPAN("mai"), false, false },
		{ SPAN("a\0b"), SPAN("a\0b"), true, true },
		{ SPAN("a\0b"), SPAN("a\0c"), false, false },
		{ SPAN("[x]"), SPAN("{x}"), false, false },           /* differ by 0x20, and are no letters */
		{ SPAN("\xc3\x84"), SPAN("\xc3\xa4"), false, false }, /* A and a with dots: ASCII only */
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(span_equal(cases[i].a, cases[i].b), cases[i].equal);
		assert_int_equal(span_equal_nocase(cases[i].a, cases[i].b), cases[i].equal_nocase);
	}
}

static void a_slice_is_clamped_to_its_span(void **state)
{
	struct span s = SPAN("abcdef");
	(void)state;
	assert_true(span_equal(span_slice(s, 2, 4), SPAN("cd")));
	assert_true(span_equal(span_slice(s, 2, 100), SPAN("cdef")));
	assert_true(span_is_empty(span_slice(s, 4, 2)));
	assert_true(span_is_empty(span_slice(s, 100, 200)));
	assert_true(span_is_empty(span_slice((struct span){ NULL, 0 }, 0, 5)));
}

static void prefixes_and_suffixes_are_found(void **state)
{
	(void)state;
	assert_true(span_starts_with(SPAN("EHLO x"), SPAN("EHLO")));
	assert_false(span_starts_with(SPAN("ehlo x"), SPAN("EHLO")));
	assert_true(span_starts_with_nocase(SPAN("ehlo x"), SPAN("EHLO")));
	assert_false(span_starts_with(SPAN("EH"), SPAN("EHLO")));
	assert_true(span_starts_with(SPAN("any"), SPAN("")));
	assert_true(span_ends_with_nocase(SPAN("a@EXAMPLE.com"), SPAN("@example.COM")));
	assert_false(span_ends_with_nocase(SPAN(".com"), SPAN("x.com")));
}

static void a_byte_is_found_or_not(void **state)
{
	(void)state;
	assert_int_equal(span_find_byte(SPAN("a@b@c"), '@'), 1);
	assert_int_equal(span_find_byte(SPAN("abc"), '@'), 3);
	assert_int_equal(span_find_byte((struct span){ NULL, 0 }, '@'), 0);
	assert_true(span_contains_byte(SPAN("a\0"), '\0'));
	assert_false(span_contains_byte(SPAN("a"), '\0'));
}

static void trim_takes_blanks_at_both_ends_only(void **state)
{
	(void)state;
	assert_true(span_equal(span_trim(SPAN(" \t a b\t ")), SPAN("a b")));
	assert_true(span_is_empty(span_trim(SPAN(" \t "))));
	assert_true(span_equal(span_trim(SPAN("\na\n")), SPAN("\na\n")));
}

static void the_first_word_ends_at_a_space_or_tab(void **state)
{
	static const struct {
		struct span text, word;
	} cases[] = {
		{ SPAN("a b\tc"), SPAN("a") }, { SPAN("a\tb c"), SPAN("a") }, { SPAN("abc"), SPAN("abc") },
		{ SPAN(" a"), SPAN("") },      { SPAN(""), SPAN("") },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_true(span_equal(span_first_word(cases[i].text), cases[i].word));
}

static void cut_gives_every_part_the_empty_ones_too(void **state)
{
	static const char *const parts[] = { "a", "", "b", "" };
	struct span rest = SPAN("a,,b,");
	struct span part;
	(void)state;
	for (size_t i = 0; i < COUNT(parts); i++) {
		assert_true(span_cut(&rest, ',', &part));
		assert_true(span_equal(part, span_of(parts[i])));
	}
	assert_false(span_cut(&rest, ',', &part));
}

static void numbers_are_digits_and_nothing_else(void **state)
{
	static const char *const wrong[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616", "99999999999999999999", "1a",
	};
	static const struct {
		const char *text;
		uint64_t value;
	} right[] = { { "0", 0 }, { "007", 7 }, { "18446744073709551615", UINT64_MAX } };
	uint64_t value = 42;
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(span_to_u64(span_of(wrong[i]), &value), STATUS_INVALID);
		assert_true(value == 42);
	}
	for (size_t i = 0; i < COUNT(right); i++) {
		assert_int_equal(span_to_u64(span_of(right[i].text), &value), STATUS_OK);
		assert_true(value == right[i].value);
	}
}

static void a_string_is_made_unless_a_nul_would_cut_it(void **state)
{
	char *text = span_to_string(span_slice(SPAN("abcdef"), 0, 3));
	(void)state;
	assert_string_equal(text, "abc");
	free(text);
	text = span_to_string((struct span){ NULL, 0 });
	assert_string_equal(text, "");
	free(text);
	assert_null(span_to_string(SPAN("a\0b")));
	assert_true(span_is_empty(span_of(NULL)));
}

static void printable_are_the_bytes_from_space_to_tilde(void **state)
{
	(void)state;
	assert_true(span_is_printable(SPAN(" ~")));
	assert_true(span_is_printable((struct span){ NULL, 0 }));
	for (int byte = 0; byte < 256; byte++) {
		char text[] = { 'a', (char)byte, 'z' };
		assert_int_equal(span_is_printable((struct span){ text, sizeof(text) }), byte >= 0x20 && byte <= 0x7e);
	}
}

/* As the C locale has it, in which this program runs. */
static void every_byte_is_in_ascii_what_it_is_in_c(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		char c = (char)byte;
		assert_int_equal(ascii_is_digit(c), isdigit(byte) != 0);
		assert_int_equal(ascii_is_letter(c), isalpha(byte) != 0);
		assert_int_equal(ascii_is_alphanumeric(c), isalnum(byte) != 0);
		assert_int_equal(ascii_is_printable(c), isprint(byte) != 0);
		assert_int_equal(ascii_is_control(c), iscntrl(byte) != 0);
		assert_int_equal((unsigned char)ascii_lower(c), tolower(byte));
		assert_int_equal(ascii_hex_value(c) >= 0, isxdigit(byte) != 0);
	}
	assert_int_equal(ascii_hex_value('9'), 9);
	assert_int_equal(ascii_hex_value('a'), 10);
	assert_int_equal(ascii_hex_value('F'), 15);
}

static void every_status_has_a_word(void **state)
{
	(void)state;
	for (int status = STATUS_OK; status <= STATUS_SYSTEM; status++)
		assert_string_not_equal(status_text((enum status)status), "unknown status");
	assert_string_equal(status_text((enum status)1000), "unknown status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_compare_by_their_bytes),
		cmocka_unit_test(a_slice_is_clamped_to_its_span),
		cmocka_unit_test(prefixes_and_suffixes_are_found),
		cmocka_unit_test(a_byte_is_found_or_not),
		cmocka_unit_test(trim_takes_blanks_at_both_ends_only),
		cmocka_unit_test(the_first_word_ends_at_a_space_or_tab),
		cmocka_unit_test(cut_gives_every_part_the_empty_ones_too),
		cmocka_unit_test(numbers_are_digits_and_nothing_else),
		cmocka_unit_test(a_string_is_made_unless_a_nul_would_cut_it),
		cmocka_unit_test(printable_are_the_bytes_from_space_to_tilde),
		cmocka_unit_test(every_byte_is_in_ascii_what_it_is_in_c),
		cmocka_unit_test(every_status_has_a_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
