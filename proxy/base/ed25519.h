/*
 * Ed25519 (RFC 8032) by OpenSSL: keys of 32 bytes, signatures of 64. What OpenSSL copies of a private key it wipes
 * itself. Everything fails with STATUS_SYSTEM when OpenSSL does (out of memory, no entropy).
 */
#ifndef BASE_ED25519_H
#define BASE_ED25519_H

#include "base/span.h"

#define ED25519_KEY_SIZE 32       /* bytes, of a private and of a public key */
#define ED25519_SIGNATURE_SIZE 64 /* bytes */

/* A new pair. The private key is the caller's to wipe. */
MUST_USE enum status ed25519_generate(unsigned char out_private[ED25519_KEY_SIZE],
				      unsigned char out_public[ED25519_KEY_SIZE]);
MUST_USE enum status ed25519_sign(const unsigned char private_key[ED25519_KEY_SIZE], struct span bytes,
				  unsigned char out_signature[ED25519_SIGNATURE_SIZE]);
/* STATUS_REFUSED: it is no signature of these bytes by that key. */
MUST_USE enum status ed25519_verify(const unsigned char public_key[ED25519_KEY_SIZE], struct span bytes,
				    const unsigned char signature[ED25519_SIGNATURE_SIZE]);

#endif
