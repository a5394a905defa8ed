/*
 * A letter of ours: one mail that the relay itself writes, as bytes for an upstream (RFC 5322, 2045). All of it is
 * 7-bit: words of other letters are encoded in the header (RFC 2047) and in the text (quoted-printable), so that it may
 * go by every relay. No byte of a field can end that field.
 */
#ifndef RELAY_LETTER_H
#define RELAY_LETTER_H

#include "base/buf.h"

#define LETTER_SIZE_MAXIMUM 65536 /* bytes of a whole letter */

struct letter {
	struct span from, to; /* addresses, without brackets; valid (smtp/address.h) */
	struct span subject;  /* UTF-8, one line; controls become blanks, what is no UTF-8 '?' */
	struct span text;     /* UTF-8, lines end in LF or CRLF; the same */
	struct span language; /* RFC 5646, of the text; empty: not said */
	struct span id;       /* before the @ of its Message-ID */
	struct span host;     /* after it */
	uint64_t time_us;     /* of the wall clock */
};

/* CRLF lines, dots stuffed, no final dot: as doors carry messages. STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
MUST_USE enum status letter_write(const struct letter *letter, struct buf *out_bytes);

#endif
