/*
 * The header of a message (RFC 5322), read once while it passes: which fields
 * it has, and the addresses of From:.
 */
#ifndef SMTP_HEADER_H
#define SMTP_HEADER_H

#include "base/buf.h"
#include "base/span.h"

#define HEADER_MAXIMUM (256U << 10) /* bytes; then 552 5.3.4 */

/* Where the header ends in wire form: behind its last field, before the empty line, or at a line that is no field. STATUS_AGAIN: not seen yet. */
MUST_USE enum status header_find_end(struct span bytes, bool complete, size_t *out_size);

struct header_facts {
	unsigned from_count; /* fields named From */
	bool has_date;
	bool has_message_id;
	bool is_8bit;            /* bytes above 127 in the header */
	struct span message_id;  /* a view: <…>, or empty */
	unsigned received_count; /* a loop shows here */
};

/* `header`: the whole header, wire form. `addresses` gets the addr-specs in all From: fields as a codec list would not: separated by LF. STATUS_INVALID: a From: that can't be parsed safely. */
MUST_USE enum status header_read(struct span header, struct header_facts *out_facts, struct buf *addresses);

#endif
