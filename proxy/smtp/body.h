/*
 * Message data on its way from client to upstream, in wire form: CRLF lines, dots stuffed (RFC 5321, 4.5.2). Only
 * CRLF.CRLF ends it (promise 6).
 */
#ifndef SMTP_BODY_H
#define SMTP_BODY_H

#include "base/buf.h"
#include "base/span.h"

#define BODY_ROOM_LEAST 2 /* bytes: with less room in `out` body_scan does not go on */

/* What the scanner has seen up to now; zeroed it stands at the beginning of a message. */
struct body_scanner {
	unsigned state;
	uint64_t size;      /* bytes of the message so far: CRLF counted, stuffed dots and the terminator not */
	bool has_cr_or_nul; /* a stray CR or a NUL was seen: refuse with 554 5.6.0 once the end is there */
};

/*
 * Consumes client bytes and appends to `out` what goes on: wire form without the terminator, bare LF made CRLF with
 * dots after it stuffed anew. A stray CR or NUL is noted; it and what follows it go nowhere, and the end is still
 * found.
 *
 * STATUS_OK: the end was found; *out_used bytes belong to the message, and the next command follows them. STATUS_AGAIN:
 * all of `in` is used, and more is to come. STATUS_TOO_LARGE or STATUS_NO_MEMORY: `out` has no room; *out_used tells
 * how far it came, and the call can be made again with the rest.
 */
MUST_USE enum status body_scan(struct body_scanner *scanner, struct span in, struct buf *out, size_t *out_used);

/*
 * Moves the scanner over bytes at the front of `in` that go on as they are, and gives how many. Perhaps none: then, and
 * for what follows them, there is body_scan.
 */
size_t body_pass(struct body_scanner *scanner, struct span in);

/* Checks wire form that another process made: no bare CR or LF, no NUL, no terminator within, across calls. */
struct body_check {
	unsigned state;     /* zeroed: the beginning */
	uint64_t size;      /* as in the scanner */
	bool has_eight_bit; /* a byte above 127 was seen, in the header or the body (RFC 6152) */
};
MUST_USE enum status body_check_feed(struct body_check *check, struct span bytes); /* STATUS_INVALID */
/* At the end: STATUS_INVALID unless it is empty or ends with CRLF. */
MUST_USE enum status body_check_finish(const struct body_check *check);

#endif
