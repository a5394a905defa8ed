/* Whom certificates name: the map of a listener. What they prove is in test_net_tls_witness.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/certificate/map.h"

#define SUBJECT "CN=printer,O=Example Ltd"
#define PRINT "00ffee"

static const struct {
	const char *what;
	const char *text;
	const char *user; /* "": nobody */
} maps[] = {
	{ "by the subject", "p@example.com " SUBJECT "\n", "p@example.com" },
	{ "by the fingerprint, in any case of letters", "p@example.com\tSHA256:00FFEE", "p@example.com" },
	{ "among others, notes and blank lines", "# who\n\nq CN=other\n  p   " SUBJECT "  \r\n", "p" },
	{ "twice for the same user", "p " SUBJECT "\np sha256:" PRINT "\n", "p" },
	{ "two that disagree", "p " SUBJECT "\nq sha256:" PRINT "\n", "" },
	{ "a part of a subject", "p CN=printer\n", "" },
	{ "a subject in other letters", "p cn=printer,o=example ltd\n", "" },
	{ "a part of a fingerprint", "p sha256:00ff\n", "" },
	{ "an empty fingerprint", "p sha256:\n", "" },
	{ "a user alone", "p\n", "" },
	{ "what is noted out", "#p " SUBJECT "\n", "" },
	{ "nothing", "", "" },
};

static void a_map_names_one_user_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		struct span user = certificate_map_find(span_of(maps[i].text), SPAN(SUBJECT), SPAN(PRINT));
		if (!span_equal(user, span_of(maps[i].user)))
			fail_msg("%s: \"%.*s\"", maps[i].what, SPAN_ARGS(user));
	}
}

static void the_first_line_that_cant_be_read_is_told(void **state)
{
	(void)state;
	assert_int_equal(certificate_map_find_fault(SPAN("")), 0);
	assert_int_equal(certificate_map_find_fault(SPAN("# note\n\np CN=a\n")), 0);
	assert_int_equal(certificate_map_find_fault(SPAN("# note\n\np\nq\n")), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_names_one_user_or_none),
		cmocka_unit_test(the_first_line_that_cant_be_read_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
