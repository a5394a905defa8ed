/* What an exporter must know of a record, read from the bytes of its line. Pure. */
#ifndef EXPORT_RECORD_LINE_H
#define EXPORT_RECORD_LINE_H

#include <stdint.h>

#include "base/span.h"

/* Views into the line. */
struct record_line {
	struct span text; /* all of it, without its LF */
	struct span ts;   /* RFC 3339 */
	struct span type; /* "message.sent" */
	struct span chain_id;
	uint64_t chain_seq;
};

/* STATUS_INVALID: it is no record (a line that a dead process left torn). */
MUST_USE enum status record_line_read(struct span text, struct record_line *out_line);

#endif
