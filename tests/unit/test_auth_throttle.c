/* Counting guesses, remembering verdicts, and the vault: what needs no loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "auth/cache.h"
#include "auth/throttle.h"
#include "auth/vault.h"

#define WINDOW_MS 600000

static struct secret key = { .bytes = (char[]){ "0123456789abcdef" }, .size = 16 };

/* ---- throttle */

static int make_throttle(void **state)
{
	const struct throttle_limits limits = { .per_address = 3, .per_user = 2, .window_ms = WINDOW_MS };
	return throttle_create(&limits, &key, (struct throttle **)state) == STATUS_OK ? 0 : -1;
}

static int free_throttle(void **state)
{
	throttle_free((struct throttle **)state);
	return 0;
}

static void guess(struct throttle *throttle, const char *address, const char *user, const char *password,
		  uint64_t now_ms)
{
	assert_int_equal(throttle_fail(throttle, 1, span_of(address), span_of(user), span_of(password), now_ms),
			 STATUS_OK);
}

static bool blocks_user(struct throttle *throttle, const char *user, uint64_t now_ms)
{
	return throttle_blocks(throttle, 1, THROTTLE_USER, span_of(user), now_ms);
}

static bool blocks_address(struct throttle *throttle, const char *address, uint64_t now_ms)
{
	return throttle_blocks(throttle, 1, THROTTLE_ADDRESS, span_of(address), now_ms);
}

static void test_the_limit_of_a_user_is_reached_and_passes(void **state)
{
	struct throttle *throttle = *state;
	guess(throttle, "192.0.2.1", "anna", "one", 1000);
	assert_false(blocks_user(throttle, "anna", 1000));
	guess(throttle, "192.0.2.2", "anna", "two", 2000);
	assert_true(blocks_user(throttle, "anna", 2000));
	assert_false(blocks_user(throttle, "bert", 2000));
	assert_true(blocks_user(throttle, "anna", 1000 + WINDOW_MS - 1));
	assert_false(blocks_user(throttle, "anna", 1000 + WINDOW_MS));
}

/* A wrong guess of another user from this /64 of a /48. */
static void guess_from(struct throttle *throttle, unsigned subnet, unsigned number)
{
	char address[64], user[32];
	snprintf(address, sizeof(address), "2001:db8:1:%x::1", subnet);
	snprintf(user, sizeof(user), "user%u", number);
	guess(throttle, address, user, "wrong", 1000);
}

static void test_guesses_from_many_small_networks_count_for_the_larger_one(void **state)
{
	struct throttle *throttle = *state;
	unsigned number = 0;
	while (number < 11)
		guess_from(throttle, 0x100 + number, number), number++;
	assert_false(blocks_address(throttle, "2001:db8:1:1ff::9", 1000));
	guess_from(throttle, 0x1aa, number++);
	assert_true(blocks_address(throttle, "2001:db8:1:1ff::9", 1000)); /* four times three, of the /56 */
	assert_false(blocks_address(throttle, "2001:db8:1:2ff::9", 1000));
	for (unsigned i = 0; i < 36; i++)
		guess_from(throttle, 0x200 + 256 * i, number++);
	assert_true(blocks_address(throttle, "2001:db8:1:2ff::9", 1000)); /* sixteen times three, of the /48 */
	assert_false(blocks_address(throttle, "2001:db8:2::9", 1000));
	assert_int_equal(throttle_clear(throttle, SPAN("2001:db8:1:1ff::9"), 1000), 2);
	assert_false(blocks_address(throttle, "2001:db8:1:1ff::9", 1000));
}

static void test_many_old_printers_are_no_attack_of_their_network(void **state)
{
	struct throttle *throttle = *state;
	for (unsigned round = 0; round < 10; round++)
		for (unsigned printer = 0; printer < 40; printer++)
			guess_from(throttle, 256 * printer, printer);
	assert_false(blocks_address(throttle, "2001:db8:1::1", 1000));
}

static void test_the_limit_of_an_address_counts_all_its_users(void **state)
{
	struct throttle *throttle = *state;
	guess(throttle, "192.0.2.1", "anna", "x", 0);
	guess(throttle, "192.0.2.1", "bert", "x", 0);
	assert_false(blocks_address(throttle, "192.0.2.1", 0));
	guess(throttle, "192.0.2.1", "carl", "x", 0);
	assert_true(blocks_address(throttle, "192.0.2.1", 0));
	assert_false(blocks_address(throttle, "192.0.2.2", 0));
}

static void test_an_old_password_in_a_printer_counts_once(void **state)
{
	struct throttle *throttle = *state;
	for (unsigned i = 0; i < 100; i++)
		guess(throttle, "192.0.2.1", "printer", "last year's", i);
	assert_false(blocks_user(throttle, "printer", 100));
	assert_false(blocks_address(throttle, "192.0.2.1", 100));
	guess(throttle, "192.0.2.9", "printer", "last year's", 100); /* from elsewhere it is another guess */
	assert_true(blocks_user(throttle, "printer", 100));
}

static void test_a_slash_64_is_one_address(void **state)
{
	struct throttle *throttle = *state;
	guess(throttle, "2001:db8:1:2::1", "anna", "x", 0);
	guess(throttle, "2001:db8:1:2::2", "bert", "x", 0);
	guess(throttle, "2001:db8:1:2:ffff::3", "carl", "x", 0);
	assert_true(blocks_address(throttle, "2001:db8:1:2::4", 0));
	assert_false(blocks_address(throttle, "2001:db8:1:3::1", 0));
}

static void test_no_limit_blocks_nobody(void **state)
{
	(void)state;
	const struct throttle_limits none = { .window_ms = WINDOW_MS };
	struct throttle *throttle = NULL;
	assert_int_equal(throttle_create(&none, &key, &throttle), STATUS_OK);
	guess(throttle, "192.0.2.1", "anna", "x", 0);
	assert_false(blocks_user(throttle, "anna", 0));
	assert_false(blocks_address(throttle, "192.0.2.1", 0));
	throttle_free(&throttle);
}

struct seen {
	unsigned rows;
	struct throttle_row last;
	char subject[NAME_SIZE];
};

static void see(void *context, const struct throttle_row *row)
{
	struct seen *seen = context;
	seen->rows++;
	seen->last = *row;
	snprintf(seen->subject, sizeof(seen->subject), "%s", row->subject);
}

static void test_only_who_is_refused_is_listed(void **state)
{
	struct throttle *throttle = *state;
	struct seen seen = { 0 };
	guess(throttle, "192.0.2.1", "bert", "one", 1000);
	guess(throttle, "192.0.2.1", "anna", "one", 1000);
	guess(throttle, "192.0.2.9", "anna", "two", 2000);
	throttle_list(throttle, 61000, see, &seen);
	assert_int_equal(seen.rows, 1);
	assert_string_equal(seen.subject, "anna");
	assert_int_equal(seen.last.kind, THROTTLE_USER);
	assert_int_equal(seen.last.failures, 2);
	assert_int_equal(seen.last.left_ms, WINDOW_MS - 60000);
}

static void test_one_or_all_are_forgiven(void **state)
{
	struct throttle *throttle = *state;
	for (unsigned i = 0; i < 4; i++) {
		char password[8];
		snprintf(password, sizeof(password), "%u", i);
		guess(throttle, "192.0.2.1", "anna", password, 0);
	}
	assert_int_equal(throttle_clear(throttle, SPAN("bert"), 0), 0);
	assert_int_equal(throttle_clear(throttle, SPAN("ANNA"), 0), 1);
	assert_false(blocks_user(throttle, "anna", 0));
	assert_true(blocks_address(throttle, "192.0.2.1", 0));
	assert_int_equal(throttle_clear(throttle, (struct span){ 0 }, 0), 1);
	assert_false(blocks_address(throttle, "192.0.2.1", 0));
}

static bool guess_at(struct throttle *throttle, uint32_t gate, const char *address, const char *user, uint64_t now_ms)
{
	return throttle_fail(throttle, gate, span_of(address), span_of(user), SPAN("x"), now_ms) == STATUS_OK;
}

static void test_a_flood_of_names_stays_bounded(void **state)
{
	struct throttle *throttle = *state;
	char user[16];
	for (unsigned i = 0; i < THROTTLE_MAXIMUM + 10; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		assert_true(guess_at(throttle, 1 + i / 10000, "192.0.2.1", user, i));
	}
	guess(throttle, "192.0.2.1", user, "y", THROTTLE_MAXIMUM);
	guess(throttle, "192.0.2.1", user, "z", THROTTLE_MAXIMUM);
	assert_true(blocks_user(throttle, user, THROTTLE_MAXIMUM));
}

/* ---- a gate that lies */

static void test_one_gate_alone_makes_the_others_refuse_nobody(void **state)
{
	const struct throttle_limits limits = { .per_address = 20, .per_user = 10, .window_ms = WINDOW_MS };
	struct throttle *throttle;
	char user[16];
	(void)state;
	assert_int_equal(throttle_create(&limits, &key, &throttle), STATUS_OK);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		assert_true(guess_at(throttle, 1, "192.0.2.1", user, 1000));
		assert_true(guess_at(throttle, 1, "192.0.2.2", "victim", 1000 + i));
		snprintf(user, sizeof(user), "192.0.3.%u", i % 200);
		assert_true(guess_at(throttle, 1, user, "victim", 1000));
	}
	assert_true(throttle_blocks(throttle, 1, THROTTLE_ADDRESS, SPAN("192.0.2.1"), 2000));
	assert_true(throttle_blocks(throttle, 1, THROTTLE_USER, SPAN("victim"), 2000));
	for (uint32_t gate = 2; gate < 6; gate++) {
		assert_false(throttle_blocks(throttle, gate, THROTTLE_ADDRESS, SPAN("192.0.2.1"), 2000));
		assert_false(throttle_blocks(throttle, gate, THROTTLE_USER, SPAN("victim"), 2000));
	}
	/* What the others see for themselves still counts, beside half of the limit. */
	for (unsigned i = 0; i < 10; i++) {
		snprintf(user, sizeof(user), "other%u", i);
		assert_true(guess_at(throttle, 2 + i % 2, "192.0.2.1", user, 2000));
	}
	assert_true(throttle_blocks(throttle, 4, THROTTLE_ADDRESS, SPAN("192.0.2.1"), 2000));
	throttle_free(&throttle);
}

static void test_guesses_over_all_gates_reach_the_limit_for_all(void **state)
{
	const struct throttle_limits limits = { .per_address = 20, .window_ms = WINDOW_MS };
	struct throttle *throttle;
	char user[16];
	(void)state;
	assert_int_equal(throttle_create(&limits, &key, &throttle), STATUS_OK);
	for (unsigned i = 0; i < 20; i++) {
		assert_false(throttle_blocks(throttle, 1 + i % 4, THROTTLE_ADDRESS, SPAN("192.0.2.1"), 1000));
		snprintf(user, sizeof(user), "user%u", i);
		assert_true(guess_at(throttle, 1 + i % 4, "192.0.2.1", user, 1000));
	}
	for (uint32_t gate = 1; gate < 7; gate++)
		assert_true(throttle_blocks(throttle, gate, THROTTLE_ADDRESS, SPAN("192.0.2.1"), 1000));
	throttle_free(&throttle);
}

static void test_one_gate_can_not_flush_out_what_others_reported(void **state)
{
	struct throttle *throttle = *state;
	char text[32];
	unsigned counted = 0;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "user%u", i);
		assert_true(guess_at(throttle, 2, "192.0.2.1", text, 1000));
	}
	for (unsigned i = 0; i < 3 * THROTTLE_MAXIMUM; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
		counted += guess_at(throttle, 1, text, "victim", 2000);
	}
	assert_true(counted < THROTTLE_MAXIMUM / 2);
	assert_true(throttle_blocks(throttle, 2, THROTTLE_ADDRESS, SPAN("192.0.2.1"), 2000));
}

/* ---- cache */

static struct cache_key key_of(const char *user, const char *password)
{
	const struct span parts[] = { span_of(user), span_of(password) };
	struct cache_key made;
	assert_int_equal(cache_make_key(&key, parts, 2, &made), STATUS_OK);
	return made;
}

static void put(struct cache *cache, const char *user, const char *password, uint64_t now_ms)
{
	struct identity identity IDENTITY_AUTO;
	struct cache_key at = key_of(user, password);
	identity_init(&identity);
	assert_int_equal(identity_of_name(user, &identity), STATUS_OK);
	assert_int_equal(cache_put(cache, &at, &identity, 7, now_ms), STATUS_OK);
}

static const struct identity *get(struct cache *cache, const char *user, const char *password, uint64_t now_ms)
{
	struct cache_key at = key_of(user, password);
	return cache_find(cache, &at, 1000, now_ms, NULL);
}

static int make_cache(void **state)
{
	return cache_create(3, (struct cache **)state) == STATUS_OK ? 0 : -1;
}

static int free_cache(void **state)
{
	cache_free((struct cache **)state);
	return 0;
}

static void test_a_login_is_remembered_for_its_time(void **state)
{
	struct cache *cache = *state;
	put(cache, "anna@example.com", "secret", 5000);
	const struct identity *known = get(cache, "anna@example.com", "secret", 5999);
	assert_non_null(known);
	assert_string_equal(known->user, "anna@example.com");
	assert_int_equal(codec_list_count(codec_list_of(&known->senders)), 1);
	assert_null(get(cache, "anna@example.com", "secret", 6000));
}

static void test_a_wrong_password_is_never_found(void **state)
{
	struct cache *cache = *state;
	put(cache, "anna", "secret", 0);
	assert_null(get(cache, "anna", "Secret", 0));
	assert_null(get(cache, "anna", "", 0));
	assert_null(get(cache, "annas", "ecret", 0)); /* the same bytes, cut elsewhere */
	assert_null(get(cache, "bert", "secret", 0));
}

static void test_the_oldest_makes_room(void **state)
{
	struct cache *cache = *state;
	put(cache, "a", "x", 0);
	put(cache, "b", "x", 1);
	put(cache, "c", "x", 2);
	put(cache, "a", "x", 3); /* anew: now the youngest */
	put(cache, "d", "x", 4);
	assert_null(get(cache, "b", "x", 4));
	assert_non_null(get(cache, "c", "x", 4));
	assert_non_null(get(cache, "a", "x", 4));
	assert_non_null(get(cache, "d", "x", 4));
}

static void test_the_origin_comes_back(void **state)
{
	struct cache *cache = *state;
	struct cache_key at = key_of("anna", "secret");
	uint64_t origin = 0;
	put(cache, "anna", "secret", 0);
	assert_non_null(cache_find(cache, &at, 1000, 0, &origin));
	assert_int_equal(origin, 7);
	cache_drop(cache, &at);
	assert_null(cache_find(cache, &at, 1000, 0, &origin));
}

static void test_another_key_gives_other_digests(void **state)
{
	(void)state;
	struct secret other = { .bytes = (char[]){ "other" }, .size = 5 };
	const struct span part = SPAN("anna");
	struct cache_key one, two;
	assert_int_equal(cache_make_key(&key, &part, 1, &one), STATUS_OK);
	assert_int_equal(cache_make_key(&other, &part, 1, &two), STATUS_OK);
	assert_memory_not_equal(one.mac, two.mac, sizeof(one.mac));
}

/* ---- vault */

static struct door_credential_reply ask(const struct vault *vault, const char *relay)
{
	struct door_credential_request request = { .request = 42, .relay = span_of(relay) };
	struct door_credential_reply reply;
	vault_answer(vault, &request, &reply);
	assert_int_equal(reply.request, 42);
	return reply;
}

static void test_the_vault_gives_each_relay_its_own(void **state)
{
	(void)state;
	struct config_relay relays[] = {
		{ .name = (char[]){ "gmail" }, .user = (char[]){ "relay@example.com" }, .auth = RELAY_AUTH_PLAIN },
		{ .name = (char[]){ "office" }, .user = (char[]){ "mailer" }, .auth = RELAY_AUTH_LOGIN },
		{ .name = (char[]){ "local" }, .user = (char[]){ "" }, .auth = RELAY_AUTH_NONE },
	};
	struct config config = { .relay = { .items = relays, .count = 3 } };
	struct secret password = { 0 };
	struct vault *vault = NULL;
	assert_int_equal(vault_create(&config, &vault), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN("upstream secret"), &password), STATUS_OK);
	vault_put(vault, 0, &password);
	assert_true(secret_is_empty(&password));

	struct door_credential_reply gmail = ask(vault, "gmail");
	assert_int_equal(gmail.available, 1);
	assert_true(span_equal(gmail.mechanism, SPAN("plain")));
	assert_true(span_equal(gmail.user, SPAN("relay@example.com")));
	assert_true(span_equal(gmail.secret, SPAN("upstream secret")));

	struct door_credential_reply office = ask(vault, "office");
	assert_int_equal(office.available, 0);
	assert_false(span_is_empty(office.reason));
	assert_true(span_is_empty(office.secret));

	struct door_credential_reply local = ask(vault, "local");
	assert_int_equal(local.available, 1);
	assert_true(span_equal(local.mechanism, SPAN("none")));
	assert_true(span_is_empty(local.secret));

	assert_int_equal(ask(vault, "nobody").available, 0);
	assert_int_equal(ask(vault, "").available, 0);
	vault_free(&vault);
}

#define THROTTLED(test) cmocka_unit_test_setup_teardown(test, make_throttle, free_throttle)
#define CACHED(test) cmocka_unit_test_setup_teardown(test, make_cache, free_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
		THROTTLED(test_the_limit_of_a_user_is_reached_and_passes),
		THROTTLED(test_guesses_from_many_small_networks_count_for_the_larger_one),
		THROTTLED(test_many_old_printers_are_no_attack_of_their_network),
		THROTTLED(test_the_limit_of_an_address_counts_all_its_users),
		THROTTLED(test_an_old_password_in_a_printer_counts_once),
		THROTTLED(test_a_slash_64_is_one_address),
		cmocka_unit_test(test_no_limit_blocks_nobody),
		THROTTLED(test_only_who_is_refused_is_listed),
		THROTTLED(test_one_or_all_are_forgiven),
		THROTTLED(test_a_flood_of_names_stays_bounded),
		cmocka_unit_test(test_one_gate_alone_makes_the_others_refuse_nobody),
		cmocka_unit_test(test_guesses_over_all_gates_reach_the_limit_for_all),
		THROTTLED(test_one_gate_can_not_flush_out_what_others_reported),
		CACHED(test_a_login_is_remembered_for_its_time),
		CACHED(test_a_wrong_password_is_never_found),
		CACHED(test_the_oldest_makes_room),
		CACHED(test_the_origin_comes_back),
		cmocka_unit_test(test_another_key_gives_other_digests),
		cmocka_unit_test(test_the_vault_gives_each_relay_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
