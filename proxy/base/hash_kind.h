/* SHA-256 as OpenSSL's object, for hash.c and digest.c: a fetch takes longer than the digest of a short text. */
#ifndef BASE_HASH_KIND_H
#define BASE_HASH_KIND_H

#include <openssl/evp.h>

/* Never NULL; from any thread. Of the process. */
const EVP_MD *hash_kind_sha256(void);

#endif
