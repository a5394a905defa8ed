/* RS256: OpenSSL's own verification takes what we sign, and keys that are none are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/sign.h"

static void export_key(EVP_PKEY *key, const char *password, struct secret *out_pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
						  (void *)(uintptr_t)password),
			 1);
	long size = BIO_get_mem_data(bio, &text);
	assert_int_equal(secret_from_span((struct span){ text, (size_t)size }, out_pem), STATUS_OK);
	BIO_free(bio);
}

static bool verifies_signature(EVP_PKEY *key, struct span bytes, struct span signature)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool fits = EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key) == 1 &&
		    EVP_DigestVerify(digest, (const unsigned char *)signature.data, signature.size,
				     (const unsigned char *)bytes.data, bytes.size) == 1;
	EVP_MD_CTX_free(digest);
	return fits;
}

static void what_is_signed_verifies(void **state)
{
	struct secret SECRET_AUTO pem = { 0 };
	struct buf signature BUF_AUTO;
	(void)state;
	EVP_PKEY *key = EVP_RSA_gen(2048);
	buf_init(&signature, 1024);
	export_key(key, NULL, &pem);
	assert_int_equal(sign_rs256(&pem, SPAN("header.claims"), &signature), STATUS_OK);
	assert_int_equal(buf_size(&signature), 256);
	assert_true(verifies_signature(key, SPAN("header.claims"), buf_span(&signature)));
	assert_false(verifies_signature(key, SPAN("header.claim"), buf_span(&signature)));
	EVP_PKEY_free(key);
}

static void assert_refused(EVP_PKEY *key, const char *password)
{
	struct secret SECRET_AUTO pem = { 0 };
	struct buf signature BUF_AUTO;
	buf_init(&signature, 1024);
	export_key(key, password, &pem);
	assert_int_equal(sign_rs256(&pem, SPAN("x"), &signature), STATUS_INVALID);
	assert_int_equal(buf_size(&signature), 0);
	EVP_PKEY_free(key);
}

static void other_keys_are_refused(void **state)
{
	struct secret SECRET_AUTO garbage = { 0 };
	struct buf signature BUF_AUTO;
	(void)state;
	buf_init(&signature, 1024);
	assert_refused(EVP_RSA_gen(1024), NULL);
	assert_refused(EVP_EC_gen("P-256"), NULL);
	assert_refused(EVP_RSA_gen(2048), "a password");
	assert_int_equal(secret_from_span(SPAN("no key"), &garbage), STATUS_OK);
	assert_int_equal(sign_rs256(&garbage, SPAN("x"), &signature), STATUS_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_signed_verifies),
		cmocka_unit_test(other_keys_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
