/* The chain of back ends with a real directory: order, caches, grace, and guesses. */
#include "chain_world.h"

/* ---- LDAP passwords */

static void test_a_directory_password_grants(void **state)
{
	(void)state;
	assert_int_equal(ask("anna", "anna's secret"), VERDICT_GRANTED);
	assert_string_equal(world.ask.decision.identity.user, "anna@example.com");
	assert_int_equal(world.ask.decision.method, STATS_METHOD_LDAP);
	assert_int_equal(codec_list_count(codec_list_of(&world.ask.decision.identity.senders)), 2);
	assert_int_equal(ask("anna", "wrong"), VERDICT_WRONG);
	assert_int_equal(ask("zoe", "anna's secret"), VERDICT_WRONG);
}

static void test_an_empty_password_never_gets_anywhere(void **state)
{
	(void)state;
	assert_int_equal(ask("anna", ""), VERDICT_WRONG);
	assert_string_equal(world.ask.decision.reason, "empty password");
}

static void test_a_login_outlives_the_directory_for_a_while_a_guess_does_not(void **state)
{
	(void)state;
	assert_int_equal(ask("anna", "anna's secret"), VERDICT_GRANTED);
	slapd_stop(&slapd);
	assert_int_equal(ask("anna", "anna's secret"), VERDICT_GRANTED);
	assert_int_equal(ask("anna", "wrong"), VERDICT_UNAVAILABLE);
	assert_int_equal(ask("bert", "bert's secret"), VERDICT_UNAVAILABLE);
}

static void test_without_a_cache_each_login_is_asked(void **state)
{
	(void)state;
	world.config.auth.cache = 0;
	assert_int_equal(ask("anna", "anna's secret"), VERDICT_GRANTED);
	slapd_stop(&slapd);
	assert_int_equal(ask("anna", "anna's secret"), VERDICT_UNAVAILABLE);
}

static void count_row(void *context, const struct guess_row *row)
{
	(void)row;
	++*(unsigned *)context;
}

static void on_listed(void *context, bool has_answered, int64_t next, size_t cleared)
{
	(void)context, (void)cleared;
	assert_true(has_answered);
	assert_int_equal(next, -1);
}

static unsigned count_refused(void)
{
	unsigned rows = 0;
	assert_int_equal(guesses_list(world.guesses, 0, count_row, on_listed, &rows), STATUS_OK);
	return rows;
}

static void test_an_unreachable_directory_counts_no_failures(void **state)
{
	(void)state;
	slapd_stop(&slapd);
	for (int i = 0; i < 5; i++) {
		char password[8];
		snprintf(password, sizeof(password), "%d", i);
		assert_int_equal(ask("anna", password), VERDICT_UNAVAILABLE);
	}
	assert_int_equal(count_refused(), 0);
}

/* ---- guesses */

static void test_guesses_stop_at_the_limit_and_lock_nobody_out(void **state)
{
	(void)state;
	struct secret shown SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	assert_int_equal(ask_from("anna", "anna's secret", "198.51.100.1"), VERDICT_GRANTED);
	assert_int_equal(ask("anna", "one"), VERDICT_WRONG);
	assert_int_equal(ask("anna", "two"), VERDICT_WRONG);
	assert_int_equal(ask("anna", "three"), VERDICT_WRONG);
	assert_int_equal(ask("anna", "four"), VERDICT_THROTTLED);
	assert_int_equal(ask("anna", "anna's secret"),
			 VERDICT_THROTTLED); /* the guesser does not hear that it is right */
	assert_int_equal(ask_from("anna", "anna's secret", "198.51.100.1"), VERDICT_GRANTED);
	assert_int_equal(ask("anna", shown.bytes), VERDICT_GRANTED);
}

/* OpenLDAP takes all of these for anna: another case, another width, another of her names. */
static void test_guesses_count_against_the_user_whatever_the_spelling(void **state)
{
	(void)state;
	assert_int_equal(ask("\xef\xbd\x81nna", "one"), VERDICT_WRONG);
	assert_int_equal(ask("anna.a@example.com", "two"), VERDICT_WRONG);
	assert_int_equal(ask("anna", "three"), VERDICT_WRONG);
	assert_int_equal(ask("an\xef\xbd\x8e\x61", "four"), VERDICT_THROTTLED);
	assert_int_equal(ask("anna@example.com", "anna's secret"), VERDICT_THROTTLED);
	assert_int_equal(ask("\xef\xbd\x81nna", "anna's secret"), VERDICT_THROTTLED);
	assert_int_equal(ask("zoe", "one"), VERDICT_WRONG);
}

static void test_a_right_password_by_another_spelling_is_no_way_around_either(void **state)
{
	(void)state;
	assert_int_equal(ask_from("\xef\xbd\x81nna", "anna's secret", "198.51.100.1"), VERDICT_GRANTED);
	for (const char *guess = "123"; *guess; guess++)
		assert_int_equal(ask("anna", guess), VERDICT_WRONG);
	assert_int_equal(ask("\xef\xbd\x81nna", "anna's secret"), VERDICT_THROTTLED); /* though it is remembered */
	assert_int_equal(ask_from("\xef\xbd\x81nna", "anna's secret", "198.51.100.1"), VERDICT_GRANTED);
}

static void test_a_directory_password_may_look_like_an_app_password(void **state)
{
	(void)state;
	assert_int_equal(ask("cleo", "horse stone chair light river"), VERDICT_GRANTED);
	assert_int_equal(world.ask.decision.method, STATS_METHOD_LDAP);
}

/* A device goes on for months with one that was revoked: that must not lock the account. */
static void test_what_was_an_app_password_once_never_reaches_the_directory(void **state)
{
	(void)state;
	struct secret of_anna SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	assert_int_equal(ask("anna", of_anna.bytes), VERDICT_GRANTED);
	append_revocation("AAAAAAAA");
	slapd_stop(&slapd); /* who anna is, is remembered; a password that is tried would be UNAVAILABLE */
	assert_int_equal(ask("anna", of_anna.bytes), VERDICT_WRONG);
	assert_string_equal(world.ask.decision.reason, "app password revoked");
}

static void test_whoever_must_use_an_app_password_hears_so_only_with_the_right_one(void **state)
{
	(void)state;
	char group[] = "press";
	char *groups[] = { group };
	world.config.app_password.required_groups = (struct config_list){ .items = groups, .count = 1 };
	struct secret shown SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	assert_int_equal(ask("anna", "anna's secret"), VERDICT_APP_PASSWORD);
	assert_int_equal(ask("anna", "anna's secret"), VERDICT_APP_PASSWORD); /* remembered or not */
	assert_int_equal(ask("anna", "wrong"), VERDICT_WRONG);
	assert_int_equal(ask("anna", shown.bytes), VERDICT_GRANTED);
	assert_int_equal(ask("cleo", "horse stone chair light river"), VERDICT_GRANTED);
}

static void test_an_app_password_of_another_is_wrong(void **state)
{
	(void)state;
	struct secret of_bert SECRET_AUTO = add_app_password("AAAAAAAA", "bert");
	assert_int_equal(ask("anna", of_bert.bytes), VERDICT_WRONG);
}

static void test_a_config_with_unknown_back_ends_is_refused(void **state)
{
	(void)state;
	char unknown[] = "radius";
	char *names[] = { unknown, backend_names[0] };
	struct chain chain;
	world.config.auth.backends.items = names;
	assert_int_equal(chain_init(&chain, &world.chain.parts), STATUS_INVALID);
	names[0] = backend_names[0];
	assert_int_equal(chain_init(&chain, &world.chain.parts), STATUS_INVALID); /* twice the same */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_a_directory_password_grants),
		IN_WORLD(test_an_empty_password_never_gets_anywhere),
		IN_WORLD(test_a_login_outlives_the_directory_for_a_while_a_guess_does_not),
		IN_WORLD(test_without_a_cache_each_login_is_asked),
		IN_WORLD(test_an_unreachable_directory_counts_no_failures),
		IN_WORLD(test_guesses_stop_at_the_limit_and_lock_nobody_out),
		IN_WORLD(test_guesses_count_against_the_user_whatever_the_spelling),
		IN_WORLD(test_a_right_password_by_another_spelling_is_no_way_around_either),
		IN_WORLD(test_a_directory_password_may_look_like_an_app_password),
		IN_WORLD(test_what_was_an_app_password_once_never_reaches_the_directory),
		IN_WORLD(test_whoever_must_use_an_app_password_hears_so_only_with_the_right_one),
		IN_WORLD(test_an_app_password_of_another_is_wrong),
		IN_WORLD(test_a_config_with_unknown_back_ends_is_refused),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_slapd, remove_slapd);
}
