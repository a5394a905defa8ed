/* What the senders of an app password leave of its user's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "auth/scope.h"
#include "smtp/address.h"

struct narrowing {
	const char *says;
	const char *theirs, *of_password; /* patterns with blanks between */
	const char *allowed, *refused;    /* addresses; "" for none */
};

static const struct narrowing cases[] = {
	{ "without senders all of the user's stay", "a@x.example @y.example", "", "a@x.example b@y.example",
	  "b@x.example" },
	{ "an address of both stays", "a@x.example b@x.example", "a@x.example", "a@x.example", "b@x.example" },
	{ "case does not matter", "A@X.example", "a@x.EXAMPLE", "a@x.example", "" },
	{ "a limit adds nothing", "a@x.example", "ceo@x.example", "", "ceo@x.example a@x.example" },
	{ "an address within the user's domain stays", "@x.example", "a@x.example", "a@x.example", "b@x.example" },
	{ "a domain leaves the user's addresses in it", "a@x.example a@y.example", "@x.example", "a@x.example",
	  "a@y.example b@x.example" },
	{ "the same domain stays", "@x.example", "@x.example", "b@x.example", "b@y.example" },
	{ "a domain of another is none", "@x.example", "@y.example", "", "a@x.example a@y.example" },
	{ "who may use any is held to the limit", "*", "@y.example a@x.example", "b@y.example a@x.example",
	  "b@x.example" },
	{ "a detail of an address is narrower", "a@x.example", "a+scan@x.example", "a+scan@x.example", "a@x.example" },
	{ "a domain below is another one", "@x.example", "@.x.example", "", "a@x.example a@sub.x.example" },
};

static void fill(struct buf *list, const char *patterns)
{
	struct span rest = span_of(patterns), pattern;
	while (rest.size > 0 && span_cut(&rest, ' ', &pattern))
		assert_int_equal(codec_list_add(list, pattern), STATUS_OK);
}

static bool allows(const struct identity *identity, struct span address)
{
	struct codec_list senders = codec_list_of(&identity->senders);
	struct span pattern;
	while (codec_list_next(&senders, &pattern))
		if (address_matches(address, pattern, SPAN("+")))
			return true;
	return false;
}

static void assert_all(const struct narrowing *narrowing, const struct identity *identity, const char *addresses,
		       bool expected)
{
	struct span rest = span_of(addresses), address;
	while (rest.size > 0 && span_cut(&rest, ' ', &address))
		if (allows(identity, address) != expected)
			fail_msg("%s: %.*s", narrowing->says, SPAN_ARGS(address));
}

static void senders_are_those_that_both_allow(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct identity identity IDENTITY_AUTO;
		struct scope scope;
		identity_init(&identity);
		scope_init(&scope);
		fill(&identity.senders, cases[i].theirs);
		fill(&scope.senders, cases[i].of_password);
		assert_int_equal(scope_narrow(&scope, SPAN("+"), &identity), STATUS_OK);
		assert_all(&cases[i], &identity, cases[i].allowed, true);
		assert_all(&cases[i], &identity, cases[i].refused, false);
		scope_free(&scope);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders_are_those_that_both_allow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
