/* The value of a From: field (RFC 5322, 3.4 and 3.6.2). Private to this room. */
#ifndef SMTP_AUTHOR_H
#define SMTP_AUTHOR_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Appends every address in `value` (unfolded) that a lenient reader may take for an author, each followed by LF.
 * STATUS_INVALID: readers would disagree, or there is none; then `addresses` may hold some.
 */
MUST_USE enum status author_read(struct span value, struct buf *addresses);

#endif
