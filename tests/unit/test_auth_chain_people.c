/* App passwords of people in a directory, as the chain of back ends judges them. */
#include "chain_world.h"

/* ---- app passwords of people in a directory */

static void test_an_app_password_takes_its_identity_from_the_directory(void **state)
{
	(void)state;
	struct secret shown SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	assert_int_equal(ask("anna", shown.bytes), VERDICT_GRANTED);
	assert_string_equal(world.ask.decision.identity.user, "anna@example.com");
	assert_string_equal(world.ask.decision.app_password_id, "AAAAAAAA");
	assert_int_equal(codec_list_count(codec_list_of(&world.ask.decision.identity.groups)), 2);
}

static unsigned count_of(const char *owner)
{
	unsigned count = 0;
	const struct app_password *password = store_first(world.store, span_of(owner));
	for (; password; password = store_next(password))
		count++;
	return count;
}

static bool is_assigned(void *context)
{
	(void)context;
	return count_of("name:anna") == 0;
}

/* From the first login on it is this person's, whoever has the name later. */
static void test_one_made_for_a_name_becomes_that_of_the_entry(void **state)
{
	(void)state;
	struct secret shown SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	assert_int_equal(ask("anna", shown.bytes), VERDICT_GRANTED);
	run_until(world.loop, is_assigned, NULL);
	assert_int_equal(count_of(world.ask.decision.identity.id), 1);
	assert_int_equal(ask("anna@example.com", shown.bytes), VERDICT_GRANTED); /* by another of her names */
	assert_int_equal(ask("cleo", shown.bytes), VERDICT_WRONG);
}

static void test_one_of_an_earlier_holder_of_the_name_is_not_the_new_ones(void **state)
{
	(void)state;
	struct secret shown SECRET_AUTO = add_password_of("AAAAAAAA", "corp:somebody who left", "");
	assert_int_equal(ask("anna", shown.bytes), VERDICT_WRONG);
}

static void test_why_somebody_may_not_send_is_for_those_with_their_password(void **state)
{
	(void)state;
	struct secret of_anna SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	assert_int_equal(ask("zoe", of_anna.bytes), VERDICT_WRONG);
	assert_int_equal(ask("bert", of_anna.bytes), VERDICT_WRONG);
}

static struct span first_sender(void)
{
	struct codec_list senders = codec_list_of(&world.ask.decision.identity.senders);
	struct span first = { 0 };
	codec_list_next(&senders, &first);
	return first;
}

static void test_a_service_needs_no_entry_and_has_the_senders_of_its_password(void **state)
{
	(void)state;
	struct secret shown SECRET_AUTO = add_password_of("AAAAAAAA", "service:scanner", "scans@example.com");
	slapd_stop(&slapd);
	assert_int_equal(ask("scanner", shown.bytes), VERDICT_GRANTED);
	assert_string_equal(world.ask.decision.identity.user, "scanner");
	assert_string_equal(world.ask.decision.identity.id, "service:scanner");
	assert_true(span_equal(first_sender(), SPAN("scans@example.com")));
}

static void test_whoever_left_the_directory_or_is_disabled_is_out(void **state)
{
	(void)state;
	struct secret of_zoe SECRET_AUTO = add_app_password("AAAAAAAA", "zoe");
	struct secret of_bert SECRET_AUTO = add_app_password("BBBBBBBB", "bert");
	assert_int_equal(ask("zoe", of_zoe.bytes), VERDICT_DISABLED);
	assert_string_equal(world.ask.decision.reason, "not in the directory");
	assert_int_equal(ask("bert", of_bert.bytes), VERDICT_DISABLED);
	assert_string_equal(world.ask.decision.reason, "account locked");
}

static void test_where_no_entry_is_required_the_name_will_do(void **state)
{
	(void)state;
	world.config.app_password.require_directory_entry = false;
	struct secret shown SECRET_AUTO = add_app_password("AAAAAAAA", "scanner@example.com");
	assert_int_equal(ask("scanner@example.com", shown.bytes), VERDICT_GRANTED);
	assert_string_equal(world.ask.decision.identity.user, "scanner@example.com");
	assert_int_equal(codec_list_count(codec_list_of(&world.ask.decision.identity.senders)), 1);
}

static void test_the_last_word_of_the_directory_stands_for_its_grace(void **state)
{
	(void)state;
	world.config.auth.cache = 0; /* ask each time */
	struct secret of_anna SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	struct secret of_bert SECRET_AUTO = add_app_password("BBBBBBBB", "bert");
	assert_int_equal(ask("anna", of_anna.bytes), VERDICT_GRANTED);
	assert_int_equal(ask("bert", of_bert.bytes), VERDICT_DISABLED);
	slapd_stop(&slapd);
	assert_int_equal(ask("anna", of_anna.bytes), VERDICT_GRANTED);
	assert_string_equal(world.ask.decision.identity.user, "anna@example.com");
	assert_int_equal(ask("bert", of_bert.bytes), VERDICT_DISABLED);
	world.config.app_password.directory_grace = 0;
	assert_int_equal(ask("anna", of_anna.bytes), VERDICT_UNAVAILABLE);
}

static void test_nobody_is_waved_through_while_the_directory_is_away(void **state)
{
	(void)state;
	struct secret shown SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	slapd_stop(&slapd);
	assert_int_equal(ask("anna", shown.bytes), VERDICT_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_one_made_for_a_name_becomes_that_of_the_entry),
		IN_WORLD(test_one_of_an_earlier_holder_of_the_name_is_not_the_new_ones),
		IN_WORLD(test_why_somebody_may_not_send_is_for_those_with_their_password),
		IN_WORLD(test_a_service_needs_no_entry_and_has_the_senders_of_its_password),
		IN_WORLD(test_an_app_password_takes_its_identity_from_the_directory),
		IN_WORLD(test_whoever_left_the_directory_or_is_disabled_is_out),
		IN_WORLD(test_where_no_entry_is_required_the_name_will_do),
		IN_WORLD(test_the_last_word_of_the_directory_stands_for_its_grace),
		IN_WORLD(test_nobody_is_waved_through_while_the_directory_is_away),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_slapd, remove_slapd);
}
