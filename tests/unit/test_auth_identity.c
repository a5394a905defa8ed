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
	  .users = ITEMS("Scanner@example.com"),
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
			assert_int_equal(identity_add(&identity.groups, span_of(cases[i].group)), STATUS_OK);
		assert_int_equal(identity_lend_senders(&config, &identity), STATUS_OK);
		for (struct codec_list rest = codec_list_of(&identity.senders); codec_list_next(&rest, &sender);)
			assert_int_equal(buf_printf(&joined, "%.*s ", SPAN_ARGS(sender)), STATUS_OK);
		assert_true(span_equal(buf_span(&joined), span_of(cases[i].senders)));
	}
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
		cmocka_unit_test(a_list_that_is_full_stays_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
