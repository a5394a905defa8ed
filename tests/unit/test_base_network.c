/* Addresses, and the networks they belong to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/network.h"

static const struct {
	const char *network, *address;
	bool belongs;
} memberships[] = {
	{ "192.0.2.0/24", "192.0.2.255", true },      { "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.0/24", "::ffff:192.0.2.7", true }, { "192.0.2.4/30", "192.0.2.7", true },
	{ "192.0.2.4/30", "192.0.2.8", false },       { "192.0.2.7", "192.0.2.7", true },
	{ "192.0.2.7", "192.0.2.6", false },          { "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "2001:db8::1", false },        { "2001:db8::/32", "2001:db8:ffff::1", true },
	{ "2001:db8::/32", "2001:db9::1", false },    { "::/0", "2001:db8::1", true },
	{ "192.0.2.0/24", "not an address", false },  { "192.0.2.0/24", "", false },
};

static void addresses_belong_to_networks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(memberships) / sizeof(memberships[0]); i++) {
		struct network network;
		assert_int_equal(network_parse(span_of(memberships[i].network), &network), STATUS_OK);
		if (network_contains(&network, span_of(memberships[i].address)) != memberships[i].belongs)
			fail_msg("%s in %s", memberships[i].address, memberships[i].network);
	}
}

static void what_is_no_network_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = { "",
					     "/24",
					     "192.0.2.0/33",
					     "192.0.2.0/",
					     "192.0.2.1/24",
					     "192.0.2/24",
					     "2001:db8::/129",
					     "2001:db8::1/64",
					     "192.0.2.0/-1",
					     "192.0.2.0/24 ",
					     "example.com" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct network network;
		if (network_parse(span_of(wrong[i]), &network) != STATUS_INVALID)
			fail_msg("%s", wrong[i]);
	}
}

static void clients_are_counted_by_network(void **state)
{
	static const struct {
		const char *address, *network;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
		{ "local", "local" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[NETWORK_TEXT_SIZE];
		network_of_client(span_of(cases[i].address), text);
		assert_string_equal(text, cases[i].network);
	}
}

static void a_login_makes_the_network_around_it_known(void **state)
{
	static const struct {
		const char *address, *network;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.0/24" },
		{ "::ffff:192.0.2.7", "192.0.2.0/24" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
		{ "local", "local" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[NETWORK_TEXT_SIZE];
		network_of_home(span_of(cases[i].address), text);
		assert_string_equal(text, cases[i].network);
	}
}

static void clients_of_ipv6_are_counted_in_three_widths(void **state)
{
	static const char *const widths[NETWORK_WIDTHS] = { "2001:db8:1:203::/64", "2001:db8:1:200::/56",
							    "2001:db8:1::/48" };
	char text[NETWORK_TEXT_SIZE] = "untouched";
	(void)state;
	for (unsigned width = 1; width < NETWORK_WIDTHS; width++) {
		assert_false(network_of_client_in(SPAN("192.0.2.7"), width, text));
		assert_false(network_of_client_in(SPAN("::ffff:192.0.2.7"), width, text));
		assert_false(network_of_client_in(SPAN("local"), width, text));
		assert_true(network_shares(width) > network_shares(width - 1));
	}
	assert_string_equal(text, "untouched");
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++) {
		assert_true(network_of_client_in(SPAN("2001:db8:1:203:4:5:6:7"), width, text));
		assert_string_equal(text, widths[width]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_belong_to_networks),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(clients_are_counted_by_network),
		cmocka_unit_test(a_login_makes_the_network_around_it_known),
		cmocka_unit_test(clients_of_ipv6_are_counted_in_three_widths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
