/* What header fields say: cookies, types, addresses of browsers behind a web server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "console/head.h"

static void a_cookie_is_found_whole_or_not_at_all(void **state)
{
	(void)state;
	static const struct {
		const char *what, *field, *value;
	} cases[] = {
		{ "alone", "s=abc", "abc" },
		{ "among others", "a=1; s=abc; b=2", "abc" },
		{ "without blanks", "a=1;s=abc;b=2", "abc" },
		{ "with = in its value", "s=a=b", "a=b" },
		{ "none", "", "" },
		{ "of a longer name", "ss=abc; as=abc", "" },
		{ "in another case", "S=abc", "" },
		{ "without a value", "s", "" },
		{ "empty", "s=", "" },
		{ "twice", "s=abc; s=abd", "" },
		{ "in marks", "s=\"abc\"", "" },
		{ "with a blank", "s=a b", "" },
		{ "with a control byte", "s=a\tb", "" },
		{ "with a byte past ASCII", "s=a\xc3\xa4", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span found = head_find_cookie(span_of(cases[i].field), SPAN("s"));
		if (!span_equal(found, span_of(cases[i].value)))
			fail_msg("a cookie %s: %.*s", cases[i].what, SPAN_ARGS(found));
	}
}

static void a_bearer_token_is_what_follows_its_scheme(void **state)
{
	(void)state;
	static const struct {
		const char *field, *token;
	} cases[] = {
		{ "Bearer abc", "abc" },
		{ "bearer  abc ", "abc" },
		{ "Bearer a b", "a b" },
		{ "Bearer ", "" },
		{ "Bearerabc", "" },
		{ "Basic YTpi", "" },
		{ "", "" },
		{ "abc", "" },
		{ "Basic Bearer abc", "" },
		{ "Bearer Bearer abc", "Bearer abc" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!span_equal(head_find_bearer(span_of(cases[i].field)), span_of(cases[i].token)))
			fail_msg("%s", cases[i].field);
}

static void json_is_known_by_its_type(void **state)
{
	(void)state;
	assert_true(head_is_json(SPAN("application/json")));
	assert_true(head_is_json(SPAN("Application/JSON; charset=utf-8")));
	assert_false(head_is_json(SPAN("")));
	assert_false(head_is_json(SPAN("application/json5")));
	assert_false(head_is_json(SPAN("text/plain; application/json")));
	assert_false(head_is_json(SPAN("application/x-www-form-urlencoded")));
}

static void the_last_address_is_the_web_servers_word(void **state)
{
	(void)state;
	static const struct {
		const char *field, *address; /* NULL: none */
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "10.0.0.1, 192.0.2.1", "192.0.2.1" },
		{ "2001:DB8:0::1", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "", NULL },
		{ "192.0.2.1,", NULL },
		{ "192.0.2.1, unknown", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.1:80", NULL },
		{ "[2001:db8::1]", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char address[HEAD_ADDRESS_SIZE] = "";
		bool found = head_find_forwarded(span_of(cases[i].field), address);
		assert_int_equal(found, cases[i].address != NULL);
		assert_string_equal(address, cases[i].address ? cases[i].address : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_is_found_whole_or_not_at_all),
		cmocka_unit_test(a_bearer_token_is_what_follows_its_scheme),
		cmocka_unit_test(json_is_known_by_its_type),
		cmocka_unit_test(the_last_address_is_the_web_servers_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
