/*
 * Signatures with a private key: RS256 (RFC 7518, 3.3), what service accounts
 * prove themselves with. The key is parsed for each signature: there is one an
 * hour, and a parsed key would be one more secret in memory.
 */
#ifndef BASE_SIGN_H
#define BASE_SIGN_H

#include "base/buf.h"
#include "base/secret.h"

#define SIGN_KEY_BITS_LEAST 2048 /* RFC 7518, 3.3 */

/* Appends the signature's bytes. STATUS_INVALID: no RSA key in PEM form, one with a password, or too short. */
MUST_USE enum status sign_rs256(const struct secret *key_pem, struct span bytes, struct buf *out_signature);

#endif
