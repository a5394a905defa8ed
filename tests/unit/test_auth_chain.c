/* The chain of back ends with a real directory: order, caches, grace, and guesses. */
#include "with_slapd.h"

#include "auth/chain.h"
#include "with_loop.h"

static struct slapd slapd;

/* ---- a chain under test */

static char backend_names[2][16] = { "app_password", "ldap" };
static char *backends[] = { backend_names[0], backend_names[1] };
static char mail[] = "mail";
static char *sender_attributes[] = { mail };
static char text_name[] = "corp";
static char text_bind_dn[] = "cn=subgate,dc=example,dc=com";
static char text_base[] = "ou=people,dc=example,dc=com";
static char text_filter[] = "(|(uid=%u)(mail=%u))";
static char text_group[] = "departmentNumber";
static char *uris[] = { slapd.uri };

static struct {
	struct loop *loop;
	struct stats *stats;
	struct config config;
	struct config_ldap ldap;
	struct secret key;
	struct app_password_store *store;
	struct directory *directory;
	struct cache *logins, *entries;
	struct throttle *throttle;
	struct chain chain;
	struct chain_ask ask;
	bool decided;
} world;

static void configure(void)
{
	world.config.auth = (struct config_auth){
		.backends = { .items = backends, .count = 2 },
		.cache = 300000,
		.failures_per_address = 100,
		.failures_per_user = 3,
		.failure_window = 600000,
	};
	world.config.app_password.require_directory_entry = true;
	world.config.app_password.directory_grace = 3600000;
	world.ldap = (struct config_ldap){
		.name = text_name,
		.uri = { .items = uris, .count = 1 },
		.ca_file = slapd.ca_file,
		.timeout = 2000,
		.connections = 1,
		.bind_dn = text_bind_dn,
		.base = text_base,
		.filter = text_filter,
		.user_attribute = mail,
		.sender_attributes = { .items = sender_attributes, .count = 1 },
		.group_attribute = text_group,
	};
}

static void open_store(void)
{
	char path[] = "/tmp/subgate-test-chain-XXXXXX";
	uint64_t cut = 0;
	int fd = mkstemp(path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	assert_int_equal(store_create(fd, &world.store), STATUS_OK);
	assert_int_equal(store_load(world.store, &cut), STATUS_OK);
}

static void open_directory(void)
{
	struct secret password SECRET_AUTO = { 0 };
	assert_int_equal(secret_from_span(SPAN("search secret"), &password), STATUS_OK);
	assert_int_equal(directory_create(world.loop, &world.ldap, &password, world.stats, 0, &world.directory),
			 STATUS_OK);
}

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	configure();
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(stats_create_private(&world.stats), STATUS_OK);
	assert_int_equal(secret_random_hex(16, &world.key), STATUS_OK);
	assert_int_equal(cache_create(100, &world.logins), STATUS_OK);
	assert_int_equal(cache_create(100, &world.entries), STATUS_OK);
	const struct throttle_limits limits = { .per_address = 100, .per_user = 3, .window_ms = 600000 };
	assert_int_equal(throttle_create(&limits, &world.key, &world.throttle), STATUS_OK);
	open_store();
	open_directory();
	const struct chain_parts parts = {
		.loop = world.loop,
		.config = &world.config,
		.key = &world.key,
		.store = world.store,
		.directories = &world.directory,
		.directory_count = 1,
		.logins = world.logins,
		.entries = world.entries,
		.throttle = world.throttle,
	};
	return chain_init(&world.chain, &parts) == STATUS_OK ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	chain_end(&world.ask);
	directory_free(&world.directory);
	store_close(&world.store);
	throttle_free(&world.throttle);
	cache_free(&world.logins);
	cache_free(&world.entries);
	secret_wipe(&world.key);
	stats_free_private(&world.stats);
	loop_free(world.loop);
	if (slapd.pid == 0)
		slapd_start(&slapd);
	return 0;
}

static void on_decided(void *context)
{
	(void)context;
	world.decided = true;
}

static bool is_decided(void *context)
{
	(void)context;
	return world.decided;
}

static enum verdict ask_from(const char *name, const char *password, const char *address)
{
	struct credentials credentials = { 0 };
	chain_end(&world.ask);
	world.decided = false;
	snprintf(credentials.name, sizeof(credentials.name), "%s", name);
	snprintf(credentials.address, sizeof(credentials.address), "%s", address);
	assert_int_equal(secret_from_span(span_of(password), &credentials.password), STATUS_OK);
	chain_begin(&world.chain, &world.ask, &credentials, on_decided, NULL);
	run_until(world.loop, is_decided, NULL);
	secret_wipe(&credentials.password);
	return world.ask.decision.verdict;
}

static enum verdict ask(const char *name, const char *password)
{
	return ask_from(name, password, "192.0.2.1");
}

/* As it is shown, to be wiped by the caller. */
static struct secret add_app_password(const char *id, const char *user)
{
	struct app_password_record record = { .created_s = 1 };
	struct secret normal SECRET_AUTO = { 0 };
	struct secret shown = { 0 };
	struct buf line BUF_AUTO;
	buf_init(&line, STORE_LINE_MAXIMUM);
	snprintf(record.id, sizeof(record.id), "%s", id);
	snprintf(record.user, sizeof(record.user), "%s", user);
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	assert_int_equal(app_password_make_hash(&normal, &record.hash), STATUS_OK);
	assert_int_equal(app_password_show(&normal, &shown), STATUS_OK);
	assert_int_equal(store_format_create(&record, &line), STATUS_OK);
	assert_int_equal(store_append(world.store, buf_span(&line)), STATUS_OK);
	return shown;
}

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

static void test_an_unreachable_directory_counts_no_failures(void **state)
{
	(void)state;
	slapd_stop(&slapd);
	for (int i = 0; i < 5; i++) {
		char password[8];
		snprintf(password, sizeof(password), "%d", i);
		assert_int_equal(ask("anna", password), VERDICT_UNAVAILABLE);
	}
	assert_false(throttle_blocks(world.throttle, 0, THROTTLE_USER, SPAN("anna"), loop_now_ms(world.loop)));
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

static void test_a_guess_at_an_app_password_never_reaches_the_directory(void **state)
{
	(void)state;
	struct secret other SECRET_AUTO = add_app_password("AAAAAAAA", "bert");
	slapd_stop(&slapd);
	assert_int_equal(ask("anna", other.bytes), VERDICT_WRONG); /* else it would be UNAVAILABLE */
	assert_string_equal(world.ask.decision.reason, "wrong app password");
}

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

static void test_who_left_the_directory_or_is_disabled_is_out(void **state)
{
	(void)state;
	struct secret of_zoe SECRET_AUTO = add_app_password("AAAAAAAA", "zoe");
	struct secret of_bert SECRET_AUTO = add_app_password("BBBBBBBB", "bert");
	assert_int_equal(ask("zoe", of_zoe.bytes), VERDICT_DISABLED);
	assert_string_equal(world.ask.decision.reason, "not in the directory");
	assert_int_equal(ask("bert", of_bert.bytes), VERDICT_DISABLED);
	assert_string_equal(world.ask.decision.reason, "account disabled");
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

static void test_a_damaged_store_refuses_for_now(void **state)
{
	(void)state;
	struct secret shown SECRET_AUTO = add_app_password("AAAAAAAA", "anna");
	assert_int_equal(store_append(world.store, SPAN("garbage\n")), STATUS_OK);
	assert_int_equal(ask("anna", shown.bytes), VERDICT_UNAVAILABLE);
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

static int start_slapd(void **state)
{
	(void)state;
	slapd_create(&slapd);
	return 0;
}

static int remove_slapd(void **state)
{
	(void)state;
	slapd_remove(&slapd);
	return 0;
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

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
		IN_WORLD(test_a_guess_at_an_app_password_never_reaches_the_directory),
		IN_WORLD(test_an_app_password_takes_its_identity_from_the_directory),
		IN_WORLD(test_who_left_the_directory_or_is_disabled_is_out),
		IN_WORLD(test_where_no_entry_is_required_the_name_will_do),
		IN_WORLD(test_the_last_word_of_the_directory_stands_for_its_grace),
		IN_WORLD(test_nobody_is_waved_through_while_the_directory_is_away),
		IN_WORLD(test_a_damaged_store_refuses_for_now),
		IN_WORLD(test_a_config_with_unknown_back_ends_is_refused),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_slapd, remove_slapd);
}
