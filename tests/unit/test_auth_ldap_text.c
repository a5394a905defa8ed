/* Filters and verdicts: what is text and numbers of LDAP, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ldap.h>

#include "auth/ldap/filter.h"
#include "auth/ldap/verdict.h"

#define BYTES(literal) ((struct span){ literal, sizeof(literal) - 1 })

static const struct {
	const char *what, *template;
	struct span name;
	const char *filter;
} filters[] = {
	{ "a plain name", "(uid=%u)", BYTES("anna"), "(uid=anna)" },
	{ "an address, twice", "(|(uid=%u)(mail=%u))", BYTES("anna@example.com"),
	  "(|(uid=anna@example.com)(mail=anna@example.com))" },
	{ "a star finds nobody else", "(uid=%u)", BYTES("*"), "(uid=\\2a)" },
	{ "brackets end no filter", "(uid=%u)", BYTES("a)(uid=*"), "(uid=a\\29\\28uid=\\2a)" },
	{ "a backslash is one", "(uid=%u)", BYTES("a\\2a"), "(uid=a\\5c2a)" },
	{ "NUL", "(uid=%u)", BYTES("a\0b"), "(uid=a\\00b)" },
	{ "a space, as some servers trim it", "(uid=%u)", BYTES("a b"), "(uid=a\\20b)" },
	{ "letters outside ASCII", "(uid=%u)", BYTES("\xc3\xbc"), "(uid=\\c3\\bc)" },
	{ "a percent sign of the name is no placeholder", "(uid=%u)", BYTES("%u"), "(uid=%u)" },
	{ "a DN", "(member=%d)", BYTES("anna"), "(member=cn=x)" },
	{ "a percent sign of the template stays", "(cn=100%)", BYTES("anna"), "(cn=100%)" },
};

static void test_what_a_client_types_is_no_filter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct buf filter BUF_AUTO;
		buf_init(&filter, LDAP_FILTER_MAXIMUM);
		assert_int_equal(ldap_filter_expand(filters[i].template, filters[i].name, SPAN("cn=x"), &filter),
				 STATUS_OK);
		if (!span_equal(buf_span(&filter), span_of(filters[i].filter)))
			fail_msg("%s: %.*s", filters[i].what, SPAN_ARGS(buf_span(&filter)));
	}
}

static void test_a_filter_that_grows_too_large_is_none(void **state)
{
	(void)state;
	char name[255];
	struct buf filter BUF_AUTO;
	memset(name, '*', sizeof(name));
	buf_init(&filter, 4096);
	assert_int_equal(ldap_filter_expand("%u%u%u%u%u%u", (struct span){ name, sizeof(name) }, SPAN(""), &filter),
			 STATUS_TOO_LARGE);
}

#define AD(data) "80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data " data ", v1db1"

static const struct {
	const char *what;
	struct ldap_bind_answer answer;
	enum verdict verdict;
	const char *reason;
} binds[] = {
	{ "the right password", { LDAP_SUCCESS, "", LDAP_POLICY_SILENT }, VERDICT_GRANTED, "" },
	{ "a wrong one", { LDAP_INVALID_CREDENTIALS, "", LDAP_POLICY_SILENT }, VERDICT_WRONG, "wrong password" },
	{ "AD: a wrong one",
	  { LDAP_INVALID_CREDENTIALS, AD("52e"), LDAP_POLICY_SILENT },
	  VERDICT_WRONG,
	  "wrong password" },
	{ "AD: disabled",
	  { LDAP_INVALID_CREDENTIALS, AD("533"), LDAP_POLICY_SILENT },
	  VERDICT_DISABLED,
	  "account disabled" },
	{ "AD: expired",
	  { LDAP_INVALID_CREDENTIALS, AD("701"), LDAP_POLICY_SILENT },
	  VERDICT_DISABLED,
	  "account expired" },
	{ "AD: password expired",
	  { LDAP_INVALID_CREDENTIALS, AD("532"), LDAP_POLICY_SILENT },
	  VERDICT_MUST_CHANGE,
	  "password expired" },
	{ "AD: must change",
	  { LDAP_INVALID_CREDENTIALS, AD("773"), LDAP_POLICY_SILENT },
	  VERDICT_MUST_CHANGE,
	  "password must be changed" },
	{ "right, but to be changed",
	  { LDAP_SUCCESS, "", LDAP_POLICY_MUST_CHANGE },
	  VERDICT_MUST_CHANGE,
	  "password must be changed" },
	{ "right, by the grace of the directory",
	  { LDAP_SUCCESS, "", LDAP_POLICY_EXPIRED },
	  VERDICT_MUST_CHANGE,
	  "password expired" },
	{ "right, and too old",
	  { LDAP_INVALID_CREDENTIALS, "", LDAP_POLICY_EXPIRED },
	  VERDICT_MUST_CHANGE,
	  "password expired" },
	{ "right, and locked", { LDAP_SUCCESS, "", LDAP_POLICY_LOCKED }, VERDICT_DISABLED, "account locked" },
	{ "AD: locked shows to anyone",
	  { LDAP_INVALID_CREDENTIALS, AD("775"), LDAP_POLICY_SILENT },
	  VERDICT_WRONG,
	  "account locked" },
	{ "OpenLDAP: locked", { LDAP_INVALID_CREDENTIALS, "", LDAP_POLICY_LOCKED }, VERDICT_WRONG, "account locked" },
	{ "389: inactivated",
	  { LDAP_UNWILLING_TO_PERFORM, "Account inactivated", LDAP_POLICY_SILENT },
	  VERDICT_WRONG,
	  "account disabled" },
	{ "389: locked", { LDAP_CONSTRAINT_VIOLATION, "", LDAP_POLICY_SILENT }, VERDICT_WRONG, "account locked" },
	{ "an entry without password",
	  { LDAP_INAPPROPRIATE_AUTH, "", LDAP_POLICY_SILENT },
	  VERDICT_WRONG,
	  "no password there" },
	{ "gone", { LDAP_SERVER_DOWN, "", LDAP_POLICY_SILENT }, VERDICT_UNAVAILABLE, "directory unavailable" },
	{ "late", { LDAP_TIMEOUT, "", LDAP_POLICY_SILENT }, VERDICT_UNAVAILABLE, "directory unavailable" },
	{ "busy", { LDAP_BUSY, "", LDAP_POLICY_SILENT }, VERDICT_UNAVAILABLE, "directory unavailable" },
	{ "a referral is not followed",
	  { LDAP_REFERRAL, "", LDAP_POLICY_SILENT },
	  VERDICT_UNAVAILABLE,
	  "directory unavailable" },
	{ "TLS demanded",
	  { LDAP_CONFIDENTIALITY_REQUIRED, "", LDAP_POLICY_SILENT },
	  VERDICT_UNAVAILABLE,
	  "directory unavailable" },
	{ "what we never heard of", { 4711, "", LDAP_POLICY_SILENT }, VERDICT_UNAVAILABLE, "directory unavailable" },
};

static void test_binds_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
		const char *reason = NULL;
		if (ldap_judge_bind(&binds[i].answer, &reason) != binds[i].verdict ||
		    strcmp(reason, binds[i].reason) != 0)
			fail_msg("%s", binds[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_client_types_is_no_filter),
		cmocka_unit_test(test_a_filter_that_grows_too_large_is_none),
		cmocka_unit_test(test_binds_are_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
