/*
 * SMTP replies (RFC 5321, 4.2) with enhanced status codes (RFC 2034, RFC 3463).
 *
 * Between rooms and through doors a reply is text: "250 2.1.5 OK", several
 * lines separated by LF without repeating the codes ("250 2.0.0 one\ntwo").
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/buf.h"
#include "base/span.h"

#define REPLY_LINE_MAXIMUM 4096  /* bytes of one line from an upstream; RFC 5321 says 512, Microsoft sends more */
#define REPLY_SIZE_MAXIMUM 65536 /* bytes of one whole reply */

struct reply {
	unsigned code;        /* 200..599 */
	struct span enhanced; /* "2.1.5", or empty */
	struct span text;     /* lines separated by LF; no CR, no NUL */
};

/* The enhanced code at the front of `text` whose class is that of `code` (RFC 2034, 4), or an empty span. */
struct span reply_find_enhanced(struct span text, unsigned code);

/* Reads our text form; STATUS_INVALID. Views into `text`. */
MUST_USE enum status reply_read(struct span text, struct reply *out_reply);
/* Writes our text form. Control bytes but LF in the text become '?'. */
MUST_USE enum status reply_write(struct buf *b, const struct reply *reply);
/*
 * Writes what goes to the wire: "250-2.0.0 one\r\n250 2.0.0 two\r\n". Bytes
 * outside printable ASCII become '?' unless `utf8`; long lines are folded at 500 bytes.
 */
MUST_USE enum status reply_write_wire(struct buf *b, struct span text, bool utf8);

/*
 * Takes one complete reply off the front of an upstream's bytes: STATUS_OK, and
 * *out_used bytes belong to it; STATUS_AGAIN: more is needed; STATUS_INVALID:
 * not SMTP (codes of the lines differ, no digits, a bare LF or CR, NUL);
 * STATUS_TOO_LARGE. `scratch` holds the texts of *out_reply and must outlive it; what it held goes.
 */
MUST_USE enum status reply_parse_wire(struct span bytes, struct buf *scratch, struct reply *out_reply,
				      size_t *out_used);
/*
 * What a reply that is STATUS_TOO_LARGE says in its first line, cut to what a line to the client may have: all lines of
 * a reply have one code (RFC 5321, 4.2.1), so this is its verdict. STATUS_INVALID: there is no code. Views into
 * `bytes`.
 */
MUST_USE enum status reply_parse_begin(struct span bytes, struct reply *out_reply);

#endif
