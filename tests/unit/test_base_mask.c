/* Masking: what a peer said shows, and no secret of ours with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mask.h"

static const struct span secrets[] = { { "open sesame", 11 }, { "open", 4 }, { "abc", 3 }, { NULL, 0 } };

static const struct {
	const char *what, *text, *shown;
} rows[] = {
	{ "plain words stay", "Token has been expired or revoked.", "Token has been expired or revoked." },
	{ "a secret is hidden wherever it stands", "<open sesame> open sesame", "<***> ***" },
	{ "the longest secret counts", "open sesames and opens", "***s and ***s" },
	{ "blanks within a secret hide nothing of it", "a ope\nn ses ame b", "a *** b" },
	{ "short secrets are words", "abc", "abc" },
	{ "a run of 40 is a token", "x ya29.a0AfH6SMBxxxxxxxxxxxxxxxxxxxxxxxxxxx_y-z", "x ***" },
	{ "a GUID is none", "Trace ID: 0f9c1a7e-4a51-4a7b-8f0a-0f9c1a7e4a51",
	  "Trace ID: 0f9c1a7e-4a51-4a7b-8f0a-0f9c1a7e4a51" },
	{ "a run of 39 is none", "123456789012345678901234567890123456789", "123456789012345678901234567890123456789" },
	{ "lines can't be forged", "a\r\nb\x1b[2J\xc2\x9b", "a??b?[2J??" },
	{ "nothing is nothing", "", "" },
};

static void what_is_shown(void **state)
{
	char shown[200];
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mask_text(span_of(rows[i].text), secrets, sizeof(secrets) / sizeof(secrets[0]), shown, sizeof(shown));
		if (strcmp(shown, rows[i].shown) != 0)
			fail_msg("%s: \"%s\"", rows[i].what, shown);
	}
}

static void no_cut_shows_the_beginning_of_a_secret(void **state)
{
	char shown[64];
	(void)state;
	for (size_t size = 1; size < 40; size++) {
		mask_text(SPAN("why: open sesame is wrong"), secrets, 2, shown, size);
		assert_true(strlen(shown) < size);
		assert_null(strstr(shown, "op"));
	}
}

static void quotes_are_found(void **state)
{
	(void)state;
	assert_true(mask_quotes(SPAN("you said open sesame"), SPAN("open sesame")));
	assert_false(mask_quotes(SPAN("you said open sesam"), SPAN("open sesame")));
	assert_true(mask_quotes(SPAN("you said op\r\n en\x7fsesa me"), SPAN("open sesame")));
	assert_false(mask_quotes(SPAN("abc"), SPAN("abc")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_shown),
		cmocka_unit_test(no_cut_shows_the_beginning_of_a_secret),
		cmocka_unit_test(quotes_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
