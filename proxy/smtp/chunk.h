/*
 * Message octets as BDAT carries them (RFC 3030): counted, with no dots stuffed and no terminator. They become wire
 * form (smtp/body.h), in which the message goes on.
 */
#ifndef SMTP_CHUNK_H
#define SMTP_CHUNK_H

#include "base/buf.h"
#include "base/span.h"

/* The argument of BDAT. */
struct chunk_announcement {
	uint64_t size; /* octets that follow the command's line */
	bool is_last;
};

/* "1000", "0 LAST". STATUS_INVALID: nobody can tell how many octets follow. */
MUST_USE enum status chunk_read(struct span argument, struct chunk_announcement *out_announcement);

/* What was seen of a message up to now, across its chunks; zeroed: nothing. */
struct chunk_scanner {
	unsigned state;
	uint64_t size;      /* bytes of the message so far: CRLF counted, stuffed dots not */
	bool has_cr_or_nul; /* a stray CR or a NUL was seen: refuse with 554 5.6.0 */
};

/* The most that chunk_scan appends for `size` octets: each may be a bare LF, and a CR was held back. */
#define CHUNK_GROWTH(size) (2 * (size) + 2)

/*
 * Appends to `out` what goes on for some octets: dots that begin a line stuffed, bare LF made CRLF, however the octets
 * were cut into chunks. A stray CR or a NUL is noted; it and what follows it go nowhere.
 * STATUS_TOO_LARGE (not with CHUNK_GROWTH of room), STATUS_NO_MEMORY: the message is lost.
 */
MUST_USE enum status chunk_scan(struct chunk_scanner *scanner, struct span octets, struct buf *out);
/*
 * After the last octet: a message whose last line does not end gets the CRLF without which no dot could follow. Fails
 * as chunk_scan does.
 */
MUST_USE enum status chunk_scan_end(struct chunk_scanner *scanner, struct buf *out);

#endif
