/* The form of app passwords, and what is kept of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "auth/app_password/password.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool has_form(const char *text, size_t size)
{
	struct secret normal SECRET_AUTO = { 0 };
	return app_password_normalize((struct span){ text, size }, &normal) == STATUS_OK;
}

/* ---- the form */

static void test_a_new_one_is_five_groups_of_five(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 }, shown SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	assert_int_equal(app_password_show(&normal, &shown), STATUS_OK);
	assert_int_equal(shown.size, 29);
	for (size_t i = 0; i < shown.size; i++) {
		if (i % 6 == 5)
			assert_int_equal(shown.bytes[i], '-');
		else
			assert_non_null(strchr(alphabet, shown.bytes[i]));
	}
}

static void test_two_are_never_the_same(void **state)
{
	(void)state;
	struct secret one SECRET_AUTO = { 0 }, other SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&one), STATUS_OK);
	assert_int_equal(app_password_generate(&other), STATUS_OK);
	assert_false(span_equal(secret_reveal(&one), secret_reveal(&other)));
}

static void test_spaces_dashes_and_case_are_ignored(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	char typed[80];
	size_t size = 0;
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < normal.size; i++) {
		char c = normal.bytes[i];
		typed[size++] = c >= 'A' && c <= 'Z' && i % 2 ? (char)(c - 'A' + 'a') : c;
		typed[size++] = i % 3 ? ' ' : '-';
	}
	struct secret read SECRET_AUTO = { 0 };
	assert_int_equal(app_password_normalize((struct span){ typed, size }, &read), STATUS_OK);
	assert_true(span_equal(secret_reveal(&read), secret_reveal(&normal)));
}

/* As mail, word processors and phones make of the ASCII ones when somebody copies a password. */
static void test_blanks_and_dashes_of_unicode_are_ignored(void **state)
{
	static const char *const fillers[] = { "\u00A0", "\u00AD", "\u1680", "\u2002", "\u2003", "\u2007", "\u2009",
					       "\u200A", "\u200B", "\u2010", "\u2011", "\u2012", "\u2013", "\u2014",
					       "\u2015", "\u202F", "\u205F", "\u2060", "\u2212", "\u3000", "\uFE58",
					       "\uFE63", "\uFEFF", "\uFF0D", "\r\n" };
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < sizeof(fillers) / sizeof(*fillers); i++) {
		char typed[80];
		int size = snprintf(typed, sizeof(typed), "%s%.5s%s%.5s%s%.15s%s", fillers[i], normal.bytes, fillers[i],
				    normal.bytes + 5, fillers[i], normal.bytes + 10, fillers[i]);
		if (!has_form(typed, (size_t)size))
			fail_msg("filler %zu", i);
	}
}

/* Other characters, and parts of one. */
static void test_nothing_else_is_ignored(void **state)
{
	static const char *const others[] = { "\u2016", "\u00E9", "_", ".", "\xC2", "\xE2\x80", "\xA0", "\x00" };
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		char typed[80];
		int size = snprintf(typed, sizeof(typed), "%.25s%s", normal.bytes, others[i]);
		if (has_form(typed, (size_t)size + (others[i][0] == '\0')))
			fail_msg("other %zu", i);
	}
}

static void test_every_single_wrong_character_shows(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < APP_PASSWORD_SIZE; i++) {
		char typed[APP_PASSWORD_SIZE];
		for (size_t digit = 0; digit < 32; digit++) {
			memcpy(typed, normal.bytes, sizeof(typed));
			typed[i] = alphabet[digit];
			assert_int_equal(has_form(typed, sizeof(typed)), alphabet[digit] == normal.bytes[i]);
		}
	}
}

static void test_every_swap_of_neighbours_shows(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i + 1 < APP_PASSWORD_RANDOM; i++) {
		char typed[APP_PASSWORD_SIZE];
		memcpy(typed, normal.bytes, sizeof(typed));
		typed[i] = normal.bytes[i + 1];
		typed[i + 1] = normal.bytes[i];
		assert_int_equal(has_form(typed, sizeof(typed)), typed[i] == typed[i + 1]);
	}
}

static void test_other_passwords_are_none(void **state)
{
	(void)state;
	static const char *const others[] = {
		"",
		"secret",
		"AAAAA-AAAAA-AAAAA-AAAAA-AAAAA",
		"22222-22222-22222-22222-22222",
		"ABCDE-FGHIJ-KLMNO-PQRST-UVWX1",
		"ABCDE-FGHIJ-KLMNO-PQRST-UVW",
		"ABCDE-FGHIJ-KLMNO-PQRST-UVWXY-ZABCD",
		"correct horse battery staple!",
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (has_form(others[i], strlen(others[i])))
			fail_msg("%s", others[i]);
}

static void test_a_hash_knows_its_password_and_no_other(void **state)
{
	(void)state;
	struct secret one SECRET_AUTO = { 0 }, other SECRET_AUTO = { 0 };
	struct app_password_hash hash = { .salt = { 1 } }, again = { .salt = { 2 } };
	unsigned char digest[HASH_SHA256_SIZE];
	assert_int_equal(app_password_generate(&one), STATUS_OK);
	assert_int_equal(app_password_generate(&other), STATUS_OK);
	assert_int_equal(app_password_make_hash(&one, &hash), STATUS_OK);
	assert_int_equal(app_password_make_hash(&one, &again), STATUS_OK);
	assert_int_equal(app_password_digest(hash.salt, &one, digest), STATUS_OK);
	assert_memory_equal(hash.digest, digest, sizeof(digest));
	assert_int_equal(app_password_digest(hash.salt, &other, digest), STATUS_OK);
	assert_memory_not_equal(hash.digest, digest, sizeof(digest));
	assert_memory_not_equal(hash.digest, again.digest, sizeof(hash.digest)); /* salted */
	assert_memory_not_equal(hash.stored_key, again.stored_key, sizeof(hash.stored_key));
}

/* The keys of a known password and salt, as another implementation computes them. */
static void test_scram_keys_are_those_of_rfc_5802(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	struct app_password_hash hash = { .salt = "0123456789abcde" };
	char stored[HASH_SHA256_HEX_SIZE], server[HASH_SHA256_HEX_SIZE];
	assert_int_equal(secret_from_span(SPAN("ABCDEFGHIJKLMNOPQRSTUVWXY"), &normal), STATUS_OK);
	assert_int_equal(app_password_make_hash(&normal, &hash), STATUS_OK);
	assert_int_equal(hash.iterations, 4096);
	hash_to_hex(hash.stored_key, sizeof(hash.stored_key), stored);
	hash_to_hex(hash.server_key, sizeof(hash.server_key), server);
	assert_string_equal(stored, "49839eb4ceb477b675e6ae485a9c3476fafe760795012bdcf232deae3edf4d4a");
	assert_string_equal(server, "3283edc9574a0c0723acce326805d8e47a5c28e56a914437ba351f86467ac26e");
}

static void test_salts_are_one_for_each_owner_and_key(void **state)
{
	(void)state;
	unsigned char anna[APP_PASSWORD_SALT_SIZE], again[APP_PASSWORD_SALT_SIZE], other[APP_PASSWORD_SALT_SIZE];
	assert_int_equal(app_password_make_salt(SPAN("key"), SPAN("name:anna"), anna), STATUS_OK);
	assert_int_equal(app_password_make_salt(SPAN("key"), SPAN("name:anna"), again), STATUS_OK);
	assert_memory_equal(anna, again, sizeof(anna));
	assert_int_equal(app_password_make_salt(SPAN("key"), SPAN("name:bert"), other), STATUS_OK);
	assert_memory_not_equal(anna, other, sizeof(anna));
	assert_int_equal(app_password_make_salt(SPAN("another key"), SPAN("name:anna"), other), STATUS_OK);
	assert_memory_not_equal(anna, other, sizeof(anna));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_one_is_five_groups_of_five),
		cmocka_unit_test(test_two_are_never_the_same),
		cmocka_unit_test(test_spaces_dashes_and_case_are_ignored),
		cmocka_unit_test(test_blanks_and_dashes_of_unicode_are_ignored),
		cmocka_unit_test(test_nothing_else_is_ignored),
		cmocka_unit_test(test_every_single_wrong_character_shows),
		cmocka_unit_test(test_every_swap_of_neighbours_shows),
		cmocka_unit_test(test_other_passwords_are_none),
		cmocka_unit_test(test_a_hash_knows_its_password_and_no_other),
		cmocka_unit_test(test_scram_keys_are_those_of_rfc_5802),
		cmocka_unit_test(test_salts_are_one_for_each_owner_and_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
