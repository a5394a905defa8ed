/* Remembering verdicts, and the vault: what needs no loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "auth/cache.h"
#include "auth/vault.h"

static struct secret key = { .bytes = (char[]){ "0123456789abcdef" }, .size = 16 };

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
	assert_int_equal(cache_put(cache, &at, &identity, &(struct cache_proof){ .origin = 7 }, now_ms), STATUS_OK);
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

#define CACHED(test) cmocka_unit_test_setup_teardown(test, make_cache, free_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED(test_a_login_is_remembered_for_its_time),
		CACHED(test_a_wrong_password_is_never_found),
		CACHED(test_the_oldest_makes_room),
		CACHED(test_the_origin_comes_back),
		cmocka_unit_test(test_another_key_gives_other_digests),
		cmocka_unit_test(test_the_vault_gives_each_relay_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
