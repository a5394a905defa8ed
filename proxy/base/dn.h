/*
 * Names of groups, of which most are DNs (RFC 4514), in one form each, so that equal ones are equal bytes: attribute
 * types by their short names, values prepared as for caseIgnoreMatch (RFC 4518), the parts of an RDN in order, no blank
 * and no escape that isn't needed. A name that is no DN is prepared as one value. Pure.
 */
#ifndef BASE_DN_H
#define BASE_DN_H

#include "base/buf.h"
#include "base/span.h"

#define DN_MAXIMUM 2048 /* bytes, as given and as it becomes */

/*
 * Appends the canonical form, which is its own canonical form. Also reads what RFC 1779 and 2253 wrote: values in
 * quotes, semicolons, blanks. STATUS_INVALID: empty. STATUS_TOO_LARGE. STATUS_NO_MEMORY. On failure `out` is unchanged.
 */
MUST_USE enum status dn_canonical(struct span given, struct buf *out);

#endif
