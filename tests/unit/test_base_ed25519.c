/* Ed25519: a vector of RFC 8032, and what is signed verifies with its own key alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/ed25519.h"

/* RFC 8032, 7.1, TEST 2. */
static const unsigned char private_key[] = "\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f"
					   "\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
static const unsigned char public_key[] = "\x3d\x40\x17\xc3\xe8\x43\x89\x5a\x92\xb7\x0a\xa7\x4d\x1b\x7e\xbc"
					  "\x9c\x98\x2c\xcf\x2e\xc4\x96\x8c\xc0\xcd\x55\xf1\x2a\xf4\x66\x0c";
static const unsigned char signature[] = "\x92\xa0\x09\xa9\xf0\xd4\xca\xb8\x72\x0e\x82\x0b\x5f\x64\x25\x40"
					 "\xa2\xb2\x7b\x54\x16\x50\x3f\x8f\xb3\x76\x22\x23\xeb\xdb\x69\xda"
					 "\x08\x5a\xc1\xe4\x3e\x15\x99\x6e\x45\x8f\x36\x13\xd0\xf1\x1d\x8c"
					 "\x38\x7b\x2e\xae\xb4\x30\x2a\xee\xb0\x0d\x29\x16\x12\xbb\x0c\x00";

static void the_vector_of_the_rfc_is_met(void **state)
{
	unsigned char made[ED25519_SIGNATURE_SIZE];
	(void)state;
	assert_int_equal(ed25519_sign(private_key, SPAN("\x72"), made), STATUS_OK);
	assert_memory_equal(made, signature, sizeof(made));
	assert_int_equal(ed25519_verify(public_key, SPAN("\x72"), signature), STATUS_OK);
}

static void another_text_key_or_signature_is_refused(void **state)
{
	unsigned char other_private[ED25519_KEY_SIZE], other_public[ED25519_KEY_SIZE], other[ED25519_SIGNATURE_SIZE];
	(void)state;
	assert_int_equal(ed25519_verify(public_key, SPAN("\x73"), signature), STATUS_REFUSED);
	assert_int_equal(ed25519_verify(public_key, SPAN(""), signature), STATUS_REFUSED);
	memcpy(other, signature, sizeof(other));
	other[0] ^= 1;
	assert_int_equal(ed25519_verify(public_key, SPAN("\x72"), other), STATUS_REFUSED);
	assert_int_equal(ed25519_generate(other_private, other_public), STATUS_OK);
	assert_int_equal(ed25519_verify(other_public, SPAN("\x72"), signature), STATUS_REFUSED);
	assert_int_equal(ed25519_sign(other_private, SPAN("\x72"), other), STATUS_OK);
	assert_int_equal(ed25519_verify(other_public, SPAN("\x72"), other), STATUS_OK);
}

static void each_pair_is_a_new_one(void **state)
{
	unsigned char key[2][2][ED25519_KEY_SIZE];
	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(ed25519_generate(key[i][0], key[i][1]), STATUS_OK);
	assert_memory_not_equal(key[0][0], key[1][0], ED25519_KEY_SIZE);
	assert_memory_not_equal(key[0][1], key[1][1], ED25519_KEY_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_of_the_rfc_is_met),
		cmocka_unit_test(another_text_key_or_signature_is_refused),
		cmocka_unit_test(each_pair_is_a_new_one),
	};
	return cmocka_run_group_tests_name("base ed25519", tests, NULL, NULL);
}
