/* The client's side of SCRAM-SHA-256 (RFC 5802), for tests that play it. */
#ifndef TESTS_WITH_SCRAM_H
#define TESTS_WITH_SCRAM_H

#include <stdio.h>
#include <string.h>

#include "auth/app_password/password.h"
#include "auth/sasl/scram.h"
#include "base/base64.h"

static inline void scram_hmac(const void *key, size_t size, struct span text, unsigned char out_mac[HASH_SHA256_SIZE])
{
	assert_int_equal(hash_hmac_sha256((struct span){ key, size }, text, out_mac), STATUS_OK);
}

/* RFC 5802, 2.2: Hi() */
static inline void scram_salt_password(const char *password, const unsigned char salt[SCRAM_SALT_SIZE],
				       unsigned char out_key[HASH_SHA256_SIZE])
{
	unsigned char block[SCRAM_SALT_SIZE + 4] = { 0 }, round[HASH_SHA256_SIZE];
	memcpy(block, salt, SCRAM_SALT_SIZE);
	block[sizeof(block) - 1] = 1;
	scram_hmac(password, strlen(password), (struct span){ (const char *)block, sizeof(block) }, round);
	memcpy(out_key, round, sizeof(round));
	for (unsigned i = 1; i < APP_PASSWORD_ITERATIONS; i++) {
		scram_hmac(password, strlen(password), (struct span){ (const char *)round, sizeof(round) }, round);
		for (size_t j = 0; j < sizeof(round); j++)
			out_key[j] ^= round[j];
	}
}

/* The second message, "c=…,r=…,p=…"; `bound` is what the client believes to be bound to. */
static inline void scram_write_proof(const char *header, const char *bound, const char *bare, const char *server_first,
				     const unsigned char salted[HASH_SHA256_SIZE], char *out_text, size_t size)
{
	unsigned char key[HASH_SHA256_SIZE], stored[HASH_SHA256_SIZE], proof[HASH_SHA256_SIZE];
	char binding[512], message[4096], without[1024];
	struct buf text BUF_AUTO, proof_text BUF_AUTO;
	buf_init(&text, 1024);
	buf_init(&proof_text, 1024);
	snprintf(binding, sizeof(binding), "%s%s", header, bound);
	assert_int_equal(base64_encode(span_of(binding), &text), STATUS_OK);
	size_t nonce = span_find_byte(span_of(server_first), ',');
	snprintf(without, sizeof(without), "c=%.*s,%.*s", SPAN_ARGS(buf_span(&text)), (int)nonce, server_first);
	snprintf(message, sizeof(message), "%s,%s,%s", bare, server_first, without);
	scram_hmac(salted, HASH_SHA256_SIZE, SPAN("Client Key"), key);
	assert_int_equal(hash_sha256((struct span){ (const char *)key, sizeof(key) }, stored), STATUS_OK);
	scram_hmac(stored, sizeof(stored), span_of(message), proof);
	for (size_t i = 0; i < sizeof(proof); i++)
		proof[i] ^= key[i];
	assert_int_equal(base64_encode((struct span){ (const char *)proof, sizeof(proof) }, &proof_text), STATUS_OK);
	snprintf(out_text, size, "%s,p=%.*s", without, SPAN_ARGS(buf_span(&proof_text)));
}

#endif
