/*
 * Seals of what auth keeps where others may write, which is Redis: an HMAC-SHA256 under auth's key, of what it is for,
 * under which name it is kept, and what it says. Whoever lacks the key makes none up, and moves none to another name or
 * purpose; they can lose an entry, or put one back that stood there once.
 */
#ifndef AUTH_SEAL_H
#define AUTH_SEAL_H

#include "base/hash.h"
#include "base/secret.h"

/* Compare with secret_equal. STATUS_NO_MEMORY, STATUS_SYSTEM: it is not known. */
MUST_USE enum status seal_make(const struct secret *key, struct span purpose, struct span name, struct span body,
			       unsigned char out_mac[HASH_SHA256_SIZE]);

#endif
