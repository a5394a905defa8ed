/*
 * A secret: bytes that wipe themselves, that no printf and no logger takes,
 * and that only secret_reveal() shows, so that every use can be found.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/span.h"

#define SECRET_MAXIMUM 1048576 /* bytes: a system's bundle of authorities fits, and 20,000 revoked certificates */

struct secret {
	char *bytes;
	size_t size;
};

/* Copies; STATUS_TOO_LARGE, STATUS_NO_MEMORY. *out_secret must be empty. */
MUST_USE enum status secret_from_span(struct span s, struct secret *out_secret);
/* Reads `fd` from its beginning to its end with pread(2); does not close it. */
MUST_USE enum status secret_from_fd(int fd, struct secret *out_secret);
/* Reads the whole file. STATUS_SYSTEM: errno. */
MUST_USE enum status secret_from_path(const char *path, struct secret *out_secret);
/* As secret_from_fd, less one trailing line end: for password files. */
MUST_USE enum status secret_from_line_fd(int fd, struct secret *out_secret);
/* Random bytes from the kernel, as lower-case hexadecimal of 2 * `entropy` digits. */
MUST_USE enum status secret_random_hex(size_t entropy, struct secret *out_secret);

bool secret_is_empty(const struct secret *secret);
/* The bytes, for the one call that needs them. Valid until the wipe. */
struct span secret_reveal(const struct secret *secret);
/* In constant time for equal sizes. */
bool secret_equal(struct span a, struct span b);
void secret_wipe(struct secret *secret); /* and frees; safe on an empty one */

#define SECRET_AUTO __attribute__((cleanup(secret_wipe)))

#endif
