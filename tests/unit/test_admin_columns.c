/* Rows in columns, however wide their cells are, on a terminal that shows UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/ctl_columns.h"
#include "base/text.h"

static void a_text_is_as_wide_as_it_is_shown(void **state)
{
	static const struct {
		const char *what, *text;
		unsigned width;
	} cases[] = {
		{ "nothing", "", 0 },
		{ "ASCII", "anna@example.com", 16 },
		{ "letters of two bytes", "Nguy\xe1\xbb\x85n", 6 },
		{ "a mark that joins", "e\xcc\x81t\xc3\xa9", 3 },
		{ "wide ones", "\xe5\xb1\xb1\xe7\x94\xb0@example.jp", 15 },
		{ "no UTF-8", "caf\xe9", 4 },
		{ "cut amid a letter", "caf\xc3", 4 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (text_width(span_of(cases[i].text)) != cases[i].width)
			fail_msg("%s: %u", cases[i].what, text_width(span_of(cases[i].text)));
}

static char *write_rows(const char *const (*rows)[3], unsigned count, unsigned more)
{
	static const char *const narrow[] = { "a", "b", "c" };
	struct columns *columns = calloc(1, sizeof(*columns));
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	columns_begin(columns, 3, out);
	for (unsigned i = 0; i < more; i++)
		columns_add(columns, narrow);
	for (unsigned i = 0; i < count; i++)
		columns_add(columns, rows[i]);
	columns_end(columns);
	fclose(out);
	free(columns);
	return text;
}

static void every_row_has_its_columns_at_the_same_place(void **state)
{
	static const char *const rows[][3] = {
		{ "RESULT", "USER", "WHY" },
		{ "sent", "\xe5\xb1\xb1\xe7\x94\xb0@example.jp", "ok" },
		{ "session.refused", "-", "too many" },
		{ "sent", "Nguy\xe1\xbb\x85n@example.vn", "ok" },
	};
	(void)state;
	char *text = write_rows(rows, 4, 0);
	assert_string_equal(text, "RESULT           USER               WHY\n"
				  "sent             \xe5\xb1\xb1\xe7\x94\xb0@example.jp    ok\n"
				  "session.refused  -                  too many\n"
				  "sent             Nguy\xe1\xbb\x85n@example.vn  ok\n");
	free(text);
}

static void what_comes_after_many_rows_widens_those_that_follow(void **state)
{
	static const char *const rows[][3] = { { "a", "bbbb", "c" }, { "a", "b", "c" } };
	(void)state;
	char *text = write_rows(rows, 2, COLUMNS_KEPT + 50);
	const char *end = text + strlen(text) - strlen("a  b  c\na  bbbb  c\na  b     c\n");
	assert_string_equal(end, "a  b  c\na  bbbb  c\na  b     c\n");
	assert_int_equal(strncmp(text, "a  b  c\n", 8), 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_as_wide_as_it_is_shown),
		cmocka_unit_test(every_row_has_its_columns_at_the_same_place),
		cmocka_unit_test(what_comes_after_many_rows_widens_those_that_follow),
	};
	return cmocka_run_group_tests_name("admin columns", tests, NULL, NULL);
}
