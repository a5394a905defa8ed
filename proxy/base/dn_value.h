/* The values within DNs: escapes taken off, and prepared for comparison. Private to base/dn.c. */
#ifndef BASE_DN_VALUE_H
#define BASE_DN_VALUE_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Takes a value off the front of *rest, up to the separator after it, and appends its bytes: of the string forms, of a
 * value in quotes, and of "#" and the BER of a string, in hexadecimal. STATUS_INVALID: none of these.
 */
MUST_USE enum status dn_value_read(struct span *rest, struct buf *out);
/*
 * Appends `value` prepared: mapped, folded, NFKC, without blanks at the ends, one blank for each run within. `escaped`:
 * with backslashes before what means something in a DN. What is no UTF-8 stays as it is.
 */
MUST_USE enum status dn_value_write(struct span value, bool escaped, struct buf *out);

#endif
