/* Identities: what a user may send as, their own addresses and those that the configuration lends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/identity.h"

#define ITEMS(...)                                                                            \
	{                                                                                     \
		(char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) \
	}

static struct config_senders sections[] = {
	{ .name = "scanner",
	  .users = ITEMS("scanner@example.com"),
	  .addresses = ITEMS("noreply@example.com", "@devices.example.com") },
	{ .name = "press", .groups = ITEMS("cn=press"), .addresses = ITEMS("press@example.com") },
	{ .name = "nobody", .addresses = ITEMS("secret@example.com") },
};

struct lent_case {
	const char *user, *group, *senders; /* all that they may use, a space after each */
};

static const struct lent_case cases[] = {
	{ "ann@example.com", "", "ann@example.com " },
	{ "ann@example.com", "cn=press", "ann@example.com press@example.com " },
	{ "ann@example.com", "CN=Press", "ann@example.com press@example.com " },
	{ "ann@example.com", " CommonName = \\50ress ", "ann@example.com press@example.com " },
	{ "ann@example.com", "cn=pressure", "ann@example.com " },
	{ "scanner@example.com", "", "scanner@example.com noreply@example.com @devices.example.com " },
	{ "scanner", "", "" }, /* no address of their own, and the section names another */
};

static void lent_senders_follow_users_and_groups(void **state)
{
	(void)state;
	struct config config = { .senders = { sections, 3 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct identity identity IDENTITY_AUTO;
		struct buf joined BUF_AUTO;
		struct span sender;
		identity_init(&identity);
		buf_init(&joined, 1024);
		assert_int_equal(identity_of_name(cases[i].user, &identity), STATUS_OK);
		if (*cases[i].group)
			assert_int_equal(identity_add_group(&identity, span_of(cases[i].group)), STATUS_OK);
		assert_int_equal(identity_lend_senders(&config, &identity), STATUS_OK);
		for (struct codec_list rest = codec_list_of(&identity.senders); codec_list_next(&rest, &sender);)
			assert_int_equal(buf_printf(&joined, "%.*s ", SPAN_ARGS(sender)), STATUS_OK);
		assert_true(span_equal(buf_span(&joined), span_of(cases[i].senders)));
	}
}

static void an_id_says_where_it_is_from(void **state)
{
	(void)state;
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	assert_int_equal(identity_of_name("Anna@example.com", &identity), STATUS_OK);
	assert_string_equal(identity.id, "name:anna@example.com");
	assert_int_equal(identity_set_id(&identity, "corp", SPAN("1b6e")), STATUS_OK);
	assert_string_equal(identity.id, "corp:1b6e");
}

/* Two names that begin alike must not become one person. */
static void an_id_that_is_too_long_stays_one_of_its_own(void **state)
{
	(void)state;
	struct identity one IDENTITY_AUTO, other IDENTITY_AUTO;
	char value[301];
	identity_init(&one);
	identity_init(&other);
	memset(value, 'x', sizeof(value));
	assert_int_equal(identity_set_id(&one, "corp", (struct span){ value, sizeof(value) }), STATUS_OK);
	assert_int_equal(identity_set_id(&other, "corp", (struct span){ value, sizeof(value) - 1 }), STATUS_OK);
	assert_int_equal(strlen(one.id), strlen("corp#") + 64);
	assert_string_not_equal(one.id, other.id);
}

static uint64_t rights_of(const char *user, const char *groups, const char *senders)
{
	const struct config config = { .senders = { sections, 3 } };
	struct identity identity IDENTITY_AUTO;
	struct span rest = span_of(groups), item;
	identity_init(&identity);
	snprintf(identity.user, sizeof(identity.user), "%s", user);
	while (span_cut(&rest, ' ', &item))
		assert_int_equal(identity_add_group(&identity, item), STATUS_OK);
	rest = span_of(senders);
	while (span_cut(&rest, ' ', &item))
		assert_int_equal(identity_add(&identity.senders, item), STATUS_OK);
	return identity_rights(&config, &identity);
}

/* A directory tells its values in any order; groups that the configuration does not name decide nothing. */
static void rights_are_the_same_in_any_order(void **state)
{
	(void)state;
	uint64_t rights = rights_of("ann", "cn=press cn=chess", "a@x b@x");
	assert_int_equal(rights_of("ann", "cn=press", "b@x a@x"), rights);
	assert_int_equal(rights_of("ann", "cn=golf cn=press", "a@x b@x"), rights);
	assert_int_not_equal(rights_of("ann", "cn=chess", "a@x b@x"), rights);
	assert_int_not_equal(rights_of("ann", "cn=press", "a@x"), rights);
	assert_int_not_equal(rights_of("bob", "cn=press", "a@x b@x"), rights);
}

static void a_list_that_is_full_stays_whole(void **state)
{
	(void)state;
	char name[1000];
	struct identity identity IDENTITY_AUTO;
	struct span item;
	size_t count = 0;
	memset(name, 'a', sizeof(name));
	identity_init(&identity);
	while (identity_add(&identity.senders, (struct span){ name, sizeof(name) }) == STATUS_OK)
		count++;
	assert_int_equal(count, IDENTITY_LIST_MAXIMUM / (sizeof(name) + sizeof(uint32_t)));
	for (struct codec_list rest = codec_list_of(&identity.senders); codec_list_next(&rest, &item); count--)
		assert_int_equal(item.size, sizeof(name));
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lent_senders_follow_users_and_groups),
		cmocka_unit_test(an_id_says_where_it_is_from),
		cmocka_unit_test(an_id_that_is_too_long_stays_one_of_its_own),
		cmocka_unit_test(rights_are_the_same_in_any_order),
		cmocka_unit_test(a_list_that_is_full_stays_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
