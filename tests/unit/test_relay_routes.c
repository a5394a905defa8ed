/* Which senders a user may use, and which relays their messages go to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "relay/routes.h"
#include "relay/senders.h"

#define ITEMS(...)                                                                            \
	{                                                                                     \
		(char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) \
	}

/* ---- senders */

struct sender_case {
	const char *user, *lent, *sender;
	enum senders_verdict verdict;
};

static const struct sender_case sender_cases[] = {
	{ "ann@example.com", "", "ann@example.com", SENDERS_ALLOWED },
	{ "ann@example.com", "", "ANN@Example.COM", SENDERS_ALLOWED },
	{ "ann@example.com", "", "ann+list@example.com", SENDERS_ALLOWED },
	{ "ann@example.com", "", "", SENDERS_ALLOWED },
	{ "ann@example.com", "", "bob@example.com", SENDERS_REFUSED },
	{ "ann@example.com", "", "ann@example.com.evil", SENDERS_REFUSED },
	{ "ann@example.com", "", "xann@example.com", SENDERS_REFUSED },
	{ "ann@example.com", "press@example.com", "press@example.com", SENDERS_ALLOWED },
	{ "scanner@example.com", "@devices.example.com", "roof@devices.example.com", SENDERS_ALLOWED },
	{ "scanner@example.com", "@devices.example.com", "roof@evil.devices.example.com", SENDERS_REFUSED },
	{ "root@example.com", "*", "anybody@anywhere", SENDERS_ALLOWED },
};

static struct grant make_grant(const char *user, const char *lent, struct span *senders)
{
	struct grant grant = { .user = span_of(user) };
	senders[0] = span_of(user);
	senders[1] = span_of(lent);
	grant.senders = (struct span_list){ senders, *lent ? 2 : 1 };
	return grant;
}

static void a_sender_is_one_of_those_in_the_grant(void **state)
{
	(void)state;
	struct config config = { .sender = { .envelope = SENDER_ENFORCE, .delimiter = "+" } };
	for (size_t i = 0; i < sizeof(sender_cases) / sizeof(*sender_cases); i++) {
		const struct sender_case *c = &sender_cases[i];
		struct span lists[2];
		struct grant grant = make_grant(c->user, c->lent, lists);
		print_message("  %s (%s) as <%s>\n", c->user, c->lent, c->sender);
		assert_int_equal(senders_check(&config, &grant, span_of(c->sender)), c->verdict);
	}
}

static void without_a_delimiter_a_tag_is_another_address(void **state)
{
	(void)state;
	struct config config = { .sender = { .envelope = SENDER_ENFORCE, .delimiter = "" } };
	struct span lists[2];
	struct grant grant = make_grant("ann@example.com", "", lists);
	assert_int_equal(senders_check(&config, &grant, SPAN("ann+x@example.com")), SENDERS_REFUSED);
}

static void the_mode_decides_what_a_foreign_sender_means(void **state)
{
	(void)state;
	struct config config = { .sender = { .delimiter = "+" } };
	struct span lists[2];
	struct grant grant = make_grant("ann@example.com", "", lists);
	config.sender.envelope = SENDER_AUDIT;
	assert_int_equal(senders_check(&config, &grant, SPAN("bob@example.com")), SENDERS_FOREIGN);
	assert_int_equal(senders_check(&config, &grant, SPAN("ann@example.com")), SENDERS_ALLOWED);
	config.sender.envelope = SENDER_OFF;
	assert_int_equal(senders_check(&config, &grant, SPAN("bob@example.com")), SENDERS_ALLOWED);
}

/* ---- routes */

static struct config_relay relays[] = { { .name = "gmail" }, { .name = "bulk" }, { .name = "backup" } };
static struct config_route routes[] = {
	{ .name = "default", .relays = ITEMS("gmail", "backup") },
	{ .name = "newsletter", .groups = ITEMS("cn=newsletter"), .relays = ITEMS("bulk") },
	{ .name = "boss", .users = ITEMS("boss@example.com"), .relays = ITEMS("backup", "gone", "gmail") },
	{ .name = "both", .groups = ITEMS("cn=newsletter"), .relays = ITEMS("gmail") },
	{ .name = "nowhere", .users = ITEMS("lost@example.com"), .relays = ITEMS("gone") },
	{ .name = "her other name",
	  .users = ITEMS("ann@example.com"),
	  .sender_domains = ITEMS("example.org"),
	  .relays = ITEMS("backup") },
	{ .name = "brand",
	  .sender_domains = ITEMS("brand.example", "xn--bcher-kva.example", ".shops.example"),
	  .relays = ITEMS("bulk", "gmail") },
};

struct route_case {
	const char *what, *user, *group, *sender, *relays; /* indices; "" is none */
};

static const struct route_case route_cases[] = {
	{ "whom no route names goes by the default, in its order", "ann@example.com", "", "ann@example.com", "02" },
	{ "the first route that names a group of the user's counts", "ann@example.com", "cn=newsletter",
	  "ann@example.com", "1" },
	{ "a route may name the user; relays that don't exist are left out", "boss@example.com", "",
	  "boss@brand.example", "20" },
	{ "a route without a relay that exists is none", "lost@example.com", "", "", "" },
	{ "a sender domain is for all users", "bob@example.com", "", "info@Brand.EXAMPLE", "10" },
	{ "a sender domain is one in all its spellings", "bob@example.com", "",
	  "x@b\xc3\xbc"
	  "cher.example",
	  "10" },
	{ "a sender domain is itself alone", "bob@example.com", "", "info@sub.brand.example", "02" },
	{ "no domain that only ends like it", "bob@example.com", "", "info@mybrand.example", "02" },
	{ "one with a dot is all below it", "bob@example.com", "", "info@a.b.shops.example", "10" },
	{ "and not itself", "bob@example.com", "", "info@shops.example", "02" },
	{ "a user and a sender domain must both fit", "ann@example.com", "", "ann@example.org", "2" },
	{ "the user alone does not", "bob@example.com", "", "ann@example.org", "02" },
	{ "the empty sender is in no domain", "bob@example.com", "", "", "02" },
};

static void choose_relays(const struct config *config, const char *user, const char *group, const char *sender,
			  char out_relays[ROUTE_MAXIMUM + 1])
{
	struct span lists[2];
	struct grant grant = make_grant(user, "", lists);
	struct span of_group = span_of(group);
	grant.groups = (struct span_list){ &of_group, *group ? 1 : 0 };
	struct route route = { .count = 0 };
	size_t count = 0;
	enum status status = routes_choose(config, &grant, span_of(sender), &route);
	assert_int_equal(status, route.count ? STATUS_OK : STATUS_NOT_FOUND);
	for (; count < route.count; count++)
		out_relays[count] = (char)('0' + route.relays[count]);
	out_relays[count] = '\0';
}

static void the_first_route_that_matches_counts(void **state)
{
	(void)state;
	struct config config = { .relay = { relays, 3 }, .route = { routes, sizeof(routes) / sizeof(*routes) } };
	char chosen[ROUTE_MAXIMUM + 1];
	for (size_t i = 0; i < sizeof(route_cases) / sizeof(*route_cases); i++) {
		print_message("  %s\n", route_cases[i].what);
		choose_relays(&config, route_cases[i].user, route_cases[i].group, route_cases[i].sender, chosen);
		assert_string_equal(chosen, route_cases[i].relays);
	}
}

static void one_relay_and_no_route_needs_none(void **state)
{
	(void)state;
	struct config config = { .relay = { relays, 1 } };
	char chosen[ROUTE_MAXIMUM + 1];
	choose_relays(&config, "ann@example.com", "", "ann@example.com", chosen);
	assert_string_equal(chosen, "0");
}

static void several_relays_and_no_route_is_nowhere(void **state)
{
	(void)state;
	struct config config = { .relay = { relays, 3 } };
	char chosen[ROUTE_MAXIMUM + 1];
	choose_relays(&config, "ann@example.com", "", "ann@example.com", chosen);
	assert_string_equal(chosen, "");
}

static void without_a_default_others_go_nowhere(void **state)
{
	(void)state;
	struct config config = { .relay = { relays, 3 }, .route = { routes + 1, 1 } };
	char chosen[ROUTE_MAXIMUM + 1];
	choose_relays(&config, "ann@example.com", "", "ann@example.com", chosen);
	assert_string_equal(chosen, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sender_is_one_of_those_in_the_grant),
		cmocka_unit_test(without_a_delimiter_a_tag_is_another_address),
		cmocka_unit_test(the_mode_decides_what_a_foreign_sender_means),
		cmocka_unit_test(the_first_route_that_matches_counts),
		cmocka_unit_test(one_relay_and_no_route_needs_none),
		cmocka_unit_test(several_relays_and_no_route_is_nowhere),
		cmocka_unit_test(without_a_default_others_go_nowhere),
	};
	return cmocka_run_group_tests_name("relay routes", tests, NULL, NULL);
}
