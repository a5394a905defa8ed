/* What is dropped with a user: all that was remembered of them, or all but what one password proved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "auth/cache.h"
#include "failing_memory.h"

#define OLD 11 /* hashes of passwords */
#define NEW 12

static const struct secret key = { .bytes = (char[]){ "key" }, .size = 3 };

static struct cache_key key_of(const char *name, uint64_t password)
{
	char text[32];
	snprintf(text, sizeof(text), "%d", (int)password);
	const struct span parts[] = { span_of(name), span_of(text) };
	struct cache_key made;
	assert_int_equal(cache_make_key(&key, parts, 2, &made), STATUS_OK);
	return made;
}

static enum status put_at(struct cache *cache, const struct cache_key *at, const char *name, const char *id,
			  uint64_t password)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	snprintf(identity.user, sizeof(identity.user), "%s", name);
	snprintf(identity.id, sizeof(identity.id), "%s", id);
	return cache_put(cache, at, &identity, &(struct cache_proof){ .password = password }, 0);
}

static enum status put(struct cache *cache, const char *name, const char *id, uint64_t password)
{
	struct cache_key at = key_of(name, password);
	return put_at(cache, &at, name, id, password);
}

static bool has(struct cache *cache, const char *name, uint64_t password)
{
	struct cache_key at = key_of(name, password);
	return cache_find(cache, &at, 1000, 0, NULL) != NULL;
}

static struct cache *make_cache(void)
{
	struct cache *cache = NULL;
	assert_int_equal(cache_create(10, &cache), STATUS_OK);
	assert_int_equal(put(cache, "anna", "corp:1", OLD), STATUS_OK);
	assert_int_equal(put(cache, "anna@example.com", "corp:1", OLD), STATUS_OK);
	assert_int_equal(put(cache, "anna", "corp:1", NEW), STATUS_OK);
	assert_int_equal(put(cache, "bert", "corp:2", OLD), STATUS_OK);
	return cache;
}

static void test_a_new_password_drops_what_the_old_one_proved(void **state)
{
	(void)state;
	struct cache *cache = make_cache();
	cache_drop_user(cache, "corp:1", NEW);
	assert_false(has(cache, "anna", OLD));
	assert_false(has(cache, "anna@example.com", OLD));
	assert_true(has(cache, "anna", NEW));
	assert_true(has(cache, "bert", OLD));
	cache_free(&cache);
}

static void test_a_user_is_dropped_whatever_they_were_called(void **state)
{
	(void)state;
	struct cache *cache = make_cache();
	cache_drop_user(cache, "corp:1", 0);
	assert_false(has(cache, "anna", OLD) || has(cache, "anna@example.com", OLD) || has(cache, "anna", NEW));
	assert_true(has(cache, "bert", OLD));
	cache_drop_user(cache, "corp:3", 0); /* nobody */
	cache_free(&cache);
}

static void test_whoever_is_meant_is_forgotten(void **state)
{
	(void)state;
	struct cache *cache = make_cache();
	cache_forget(cache, SPAN("name:bert")); /* whose entry is gone */
	assert_false(has(cache, "bert", OLD));
	assert_true(has(cache, "anna", OLD));
	cache_forget(cache, SPAN("corp:1"));
	assert_false(has(cache, "anna", OLD) || has(cache, "anna@example.com", OLD) || has(cache, "anna", NEW));
	cache_free(&cache);
}

#ifndef SUBGATE_SANITIZED
static enum status try_to_keep(unsigned long allocations)
{
	struct cache *cache = NULL;
	struct cache_key at = key_of("anna", OLD);
	memory_counts = true;
	memory_left = allocations;
	enum status status = cache_create(10, &cache);
	if (status == STATUS_OK)
		status = put_at(cache, &at, "anna", "corp:1", OLD);
	memory_left = 0;
	memory_counts = false;
	if (cache) {
		assert_int_equal(has(cache, "anna", OLD), status == STATUS_OK);
		cache_drop_user(cache, "corp:1", 0);
	}
	cache_free(&cache);
	return status;
}

static void test_without_memory_nothing_is_half_kept(void **state)
{
	(void)state;
	long before = memory_living;
	unsigned long allocations = 1;
	while (try_to_keep(allocations) != STATUS_OK)
		allocations++;
	assert_in_range(allocations, 4, 99);
	assert_int_equal(memory_living, before);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_password_drops_what_the_old_one_proved),
		cmocka_unit_test(test_a_user_is_dropped_whatever_they_were_called),
		cmocka_unit_test(test_whoever_is_meant_is_forgotten),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(test_without_memory_nothing_is_half_kept),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
