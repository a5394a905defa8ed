/*
 * How a line is linked: the member `chain`, with which every record ends, read as bytes. A line has one such end only:
 * within a JSON text there are no bare quotes.
 */
#ifndef AUDIT_AUDIT_LINK_H
#define AUDIT_AUDIT_LINK_H

#include "audit/audit_statement.h"

enum audit_link_kind {
	AUDIT_LINK_HASH,   /* "prev" */
	AUDIT_LINK_MAC,    /* "mac": the former format, linked by a keyed hash */
	AUDIT_LINK_NUMBER, /* chain = false */
};

struct audit_link {
	enum audit_link_kind kind;
	char chain[AUDIT_CHAIN_ID_SIZE];
	uint64_t seq;                    /* from 1 */
	char prev[HASH_SHA256_HEX_SIZE]; /* "" unless AUDIT_LINK_HASH */
};

/* `line`: without its LF. STATUS_INVALID: it does not end as a record does. */
MUST_USE enum status audit_link_read(struct span line, struct audit_link *out_link);
/* The hash that the next record of its chain must hold. `line`: without its LF. */
MUST_USE enum status audit_link_hash(struct span line, char out_hex[HASH_SHA256_HEX_SIZE]);

#endif
