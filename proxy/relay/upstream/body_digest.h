/*
 * The digest of a message as it leaves: of its octets as the spool has them, without the dots that DATA needs in front
 * of lines that begin with one (RFC 5321, 4.5.2), and so the same whether it goes by DATA or by BDAT.
 */
#ifndef RELAY_UPSTREAM_BODY_DIGEST_H
#define RELAY_UPSTREAM_BODY_DIGEST_H

#include <stdbool.h>

#include "base/digest.h"

struct body_digest {
	struct digest digest; /* zeroed: none is wanted */
	bool at_line_start;   /* of what comes next */
};

/* Begins anew. STATUS_NO_MEMORY, STATUS_SYSTEM. */
MUST_USE enum status body_digest_begin(struct body_digest *body);
/* Pieces of any size, cut anywhere. */
MUST_USE enum status body_digest_add(struct body_digest *body, struct span bytes);
/* Untouched where none is wanted. */
MUST_USE enum status body_digest_end(struct body_digest *body, char out_hex[HASH_SHA256_HEX_SIZE]);
void body_digest_free(struct body_digest *body);

#endif
