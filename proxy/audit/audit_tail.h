/* The last records of the chains at the end of an audit file: what a process's first record pins down. */
#ifndef AUDIT_AUDIT_TAIL_H
#define AUDIT_AUDIT_TAIL_H

#include "audit/audit_statement.h"

#define AUDIT_TAIL_CHAINS 16 /* the latest; more have not ended within so few bytes */

struct audit_head {
	char chain[AUDIT_CHAIN_ID_SIZE];
	uint64_t count;                  /* records, so far */
	char hash[HASH_SHA256_HEX_SIZE]; /* of the last one */
};

/* Newest first. Reads the file's last megabytes at most; blocks. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status audit_tail_read(int fd, struct audit_head out_heads[AUDIT_TAIL_CHAINS], size_t *out_count);

#endif
