/* auth.login_map: which user a name means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/login_map.h"

static char *lines[] = {
	(char[]){ "CORP\\* -> *@Example.com" },
	(char[]){ "*@corp.local->*@example.com" },
	(char[]){ "svc-*@example.com -> services" },
	(char[]){ "root -> admin@example.com" },
	(char[]){ "bad-* -> *@" },
	(char[]){ "* -> *@example.com" },
};

static const struct {
	const char *given, *meant; /* NULL: nobody */
} names[] = {
	{ "corp\\anna", "anna@example.com" },
	{ "anna@corp.local", "anna@example.com" },
	{ "anna@example.com", "anna@example.com" },
	{ "anna@example.net", "anna@example.net" },
	{ "anna", "anna@example.com" },
	{ "root", "admin@example.com" },
	{ "svc-print@example.com", "services" },
	{ "other\\anna", "other\\anna" },
	{ "corp\\", "corp\\" },
	{ "@corp.local", NULL },
	{ "corp\\a\\b", "corp\\a\\b" },
	{ "a@b@corp.local", "a@b@corp.local" },
	{ "bad-x", NULL },
};

static void the_first_line_that_matches_says_who_is_meant(void **state)
{
	const struct config_list map = { lines, sizeof(lines) / sizeof(lines[0]) };
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[NAME_SIZE] = "";
		enum status status = login_map_apply(&map, span_of(names[i].given), name);
		if (status != (names[i].meant ? STATUS_OK : STATUS_INVALID) ||
		    (names[i].meant && strcmp(name, names[i].meant) != 0))
			fail_msg("%s: %s", names[i].given, name);
	}
}

static void a_name_that_grows_too_long_is_none(void **state)
{
	const struct config_list map = { lines, sizeof(lines) / sizeof(lines[0]) };
	char given[NAME_SIZE], name[NAME_SIZE];
	(void)state;
	memset(given, 'a', NAME_MAXIMUM);
	given[NAME_MAXIMUM] = '\0';
	assert_int_equal(login_map_apply(&map, span_of(given), name), STATUS_INVALID);
}

static void a_line_has_a_pattern_and_a_name(void **state)
{
	static const char *const good[] = { "a -> b", "* -> *", "a*b->c*d", "* -> b" };
	static const char *const bad[] = { "", "a", "-> b", "a ->", "** -> a", "*a* -> *", "a* -> **", "a -> *" };
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(login_map_is_line(span_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(login_map_is_line(span_of(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_line_that_matches_says_who_is_meant),
		cmocka_unit_test(a_name_that_grows_too_long_is_none),
		cmocka_unit_test(a_line_has_a_pattern_and_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
