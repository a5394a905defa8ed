/*
 * Digests and random bytes: with sign.h the only place below the network that
 * calls OpenSSL. Everything fails with STATUS_SYSTEM when OpenSSL does (out of
 * memory, no entropy), and with STATUS_TOO_LARGE past its bounds.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

#include "base/span.h"

#define HASH_SHA1_HEX_SIZE 41   /* bytes, the NUL included */
#define HASH_SHA256_SIZE 32     /* bytes */
#define HASH_SHA256_HEX_SIZE 65 /* bytes, the NUL included */

/* Lower-case hexadecimal. SHA-1 is what Redis names scripts by; not for security. */
MUST_USE enum status hash_sha1_hex(struct span bytes, char out_hex[HASH_SHA1_HEX_SIZE]);
MUST_USE enum status hash_sha256(struct span bytes, unsigned char out_digest[HASH_SHA256_SIZE]);
/* RFC 2104, with a key of any size. */
MUST_USE enum status hash_hmac_sha256(struct span key, struct span bytes, unsigned char out_mac[HASH_SHA256_SIZE]);
/* RFC 8018, 5.2: slow on purpose, about a microsecond for four iterations. */
MUST_USE enum status hash_pbkdf2_sha256(struct span password, struct span salt, uint32_t iterations,
					unsigned char out_key[HASH_SHA256_SIZE]);
/* Unpredictable bytes, good enough for keys. */
MUST_USE enum status hash_random(void *out_bytes, size_t size);

/* Lower-case hexadecimal of any bytes: 2 * size digits and a NUL. */
void hash_to_hex(const void *bytes, size_t size, char *out_hex);

#endif
