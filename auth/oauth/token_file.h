/*
 * Where the refresh token of one oauth section outlives us, with its
 * successors: providers that rotate give a new one with each access token, and
 * the old one may be worth nothing from then on.
 *
 * Two slots are written in turn, each with a number and a digest, so that a
 * crash at any moment leaves the former one. The descriptor comes from the
 * supervisor. All of it waits for the disk: for threads.
 */
#ifndef AUTH_OAUTH_TOKEN_FILE_H
#define AUTH_OAUTH_TOKEN_FILE_H

#include <stdint.h>

#include "base/hash.h"
#include "base/secret.h"

struct token_record {
	uint64_t number;                   /* counts what was written; 0: nothing was */
	char origin[HASH_SHA256_HEX_SIZE]; /* digest of the refresh_token_file that it comes from; "": none */
	struct secret token;
};

/* A process that uses the file keeps others off, the one before a reload too. Waits. STATUS_TIMEOUT. */
MUST_USE enum status token_file_lock(int fd, uint64_t limit_ms);
void token_file_unlock(int fd);
/* The newest whole record; STATUS_NOT_FOUND: there is none. */
MUST_USE enum status token_file_read(int fd, struct token_record *out_record);
/* On disk when it returns, as number + 1. STATUS_TOO_LARGE; STATUS_SYSTEM. */
MUST_USE enum status token_file_write(int fd, const struct token_record *former, struct span token, const char *origin);

#endif
