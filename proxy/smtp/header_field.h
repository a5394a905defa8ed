/* One field of a header in wire form. Private to this room. */
#ifndef SMTP_HEADER_FIELD_H
#define SMTP_HEADER_FIELD_H

#include "base/buf.h"
#include "base/span.h"

struct header_field {
	struct span name;
	struct span lines; /* wire form, the name's line first */
};

/* Takes a field with its continuation lines off the front. STATUS_END: no more; STATUS_INVALID: that is no field. */
MUST_USE enum status header_field_take(struct span *rest, struct header_field *out_field);
/*
 * Without case. Bytes above 127 in a name are passed over: a byte order mark or a hard space in front of "From" hides
 * nothing from us that a reader may find.
 */
bool header_field_is(struct span name, struct span wanted);
/* Appends the value in one line: line ends and stuffed dots are left out. */
MUST_USE enum status header_field_unfold(const struct header_field *field, struct buf *value);

#endif
