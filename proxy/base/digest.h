/*
 * A SHA-256 digest of bytes that come piece by piece; hash.h digests what is there at once. The functions accept one
 * that was never made, zeroed, and do nothing.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/hash.h"

struct digest {
	void *state; /* OpenSSL's; owned */
};

/* Begins anew, whatever was digested before. STATUS_NO_MEMORY, STATUS_SYSTEM. */
MUST_USE enum status digest_begin(struct digest *digest);
MUST_USE enum status digest_add(struct digest *digest, struct span bytes);
/* Of all that came, as lower-case hexadecimal. It must be begun anew before anything is added. */
MUST_USE enum status digest_end(struct digest *digest, char out_hex[HASH_SHA256_HEX_SIZE]);
void digest_free(struct digest *digest);

#endif
