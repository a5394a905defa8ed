/*
 * The keys that an issuer signs tokens with (a JWK set, RFC 7517), and the check of a signature (RFC 7515). Constant
 * once read. Keys that are no public keys for signatures, or are too weak, are left out.
 */
#ifndef AUTH_BEARER_KEYS_H
#define AUTH_BEARER_KEYS_H

#include "auth/bearer/token.h"

#define BEARER_KEYS_MAXIMUM 64 /* of a set; more are left out */

struct bearer_keys;

/* STATUS_INVALID: no set, or one without a key that we can use. STATUS_NO_MEMORY. */
MUST_USE enum status bearer_keys_read(struct span json, struct bearer_keys **out_keys);
void bearer_keys_free(struct bearer_keys **keys); /* NULL-safe; sets to NULL */

/* STATUS_NOT_FOUND: signed with a key that is not among them. STATUS_INVALID: not signed with the key it names. */
MUST_USE enum status bearer_keys_verify(const struct bearer_keys *keys, const struct bearer_token *token);

#endif
