/* Digests, against the vectors of their standards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fnv.h"
#include "base/hash.h"

static void sha1_is_that_of_fips_180(void **state)
{
	char hex[HASH_SHA1_HEX_SIZE];
	(void)state;
	assert_int_equal(hash_sha1_hex(SPAN("abc"), hex), STATUS_OK);
	assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_int_equal(hash_sha1_hex((struct span){ NULL, 0 }, hex), STATUS_OK);
	assert_string_equal(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

static void sha256_is_that_of_fips_180(void **state)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	(void)state;
	assert_int_equal(hash_sha256(SPAN("abc"), digest), STATUS_OK);
	hash_to_hex(digest, sizeof(digest), hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(hash_sha256(SPAN(""), digest), STATUS_OK);
	hash_to_hex(digest, sizeof(digest), hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_is_that_of_rfc_4231(void **state)
{
	unsigned char mac[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	char long_key[131];
	(void)state;
	assert_int_equal(hash_hmac_sha256(SPAN("Jefe"), SPAN("what do ya want for nothing?"), mac), STATUS_OK);
	hash_to_hex(mac, sizeof(mac), hex);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(long_key, 0xaa, sizeof(long_key));
	assert_int_equal(hash_hmac_sha256((struct span){ long_key, sizeof(long_key) },
					  SPAN("Test Using Larger Than Block-Size Key - Hash Key First"), mac),
			 STATUS_OK);
	hash_to_hex(mac, sizeof(mac), hex);
	assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	assert_int_equal(hash_hmac_sha256((struct span){ NULL, 0 }, SPAN(""), mac), STATUS_OK);
	hash_to_hex(mac, sizeof(mac), hex);
	assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void fnv_is_that_of_its_authors(void **state)
{
	(void)state;
	assert_true(fnv_hash(SPAN("")) == UINT64_C(0xcbf29ce484222325));
	assert_true(fnv_hash(SPAN("a")) == UINT64_C(0xaf63dc4c8601ec8c));
	assert_true(fnv_hash(SPAN("foobar")) == UINT64_C(0x85944171f73967e8));
	assert_true(fnv_hash_nocase(SPAN("FooBar")) == UINT64_C(0x85944171f73967e8));
	assert_true(fnv_hash(SPAN("\xff")) == fnv_hash_nocase(SPAN("\xff")));
}

static void random_bytes_differ(void **state)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };
	(void)state;
	assert_int_equal(hash_random(a, sizeof(a)), STATUS_OK);
	assert_int_equal(hash_random(b, sizeof(b)), STATUS_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(hash_random(a, SIZE_MAX), STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha1_is_that_of_fips_180), cmocka_unit_test(sha256_is_that_of_fips_180),
		cmocka_unit_test(hmac_is_that_of_rfc_4231), cmocka_unit_test(fnv_is_that_of_its_authors),
		cmocka_unit_test(random_bytes_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
