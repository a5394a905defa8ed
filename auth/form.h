/* Names and values as forms and queries have them (application/x-www-form-urlencoded). */
#ifndef AUTH_FORM_H
#define AUTH_FORM_H

#include "base/buf.h"
#include "base/span.h"

/* Appends "name=value", after "&" where something is there already. All but letters, digits and "-._~" is encoded. */
MUST_USE enum status form_add(struct buf *form, const char *name, struct span value);
/* Appends the value alone, so encoded. */
MUST_USE enum status form_encode(struct buf *form, struct span text);
/* Appends the decoded value of the first such name. STATUS_NOT_FOUND; STATUS_INVALID: its encoding is broken. */
MUST_USE enum status form_find(struct span form, const char *name, struct buf *out_value);

#endif
