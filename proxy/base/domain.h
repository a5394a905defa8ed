/* Domains in their one spelling: lower case, labels outside ASCII as A-labels (RFC 5890, 2.3.2.1). Pure. */
#ifndef BASE_DOMAIN_H
#define BASE_DOMAIN_H

#include "base/span.h"

#define DOMAIN_MAXIMUM 255               /* bytes; RFC 5321, 4.5.3.1.2 */
#define DOMAIN_SIZE (DOMAIN_MAXIMUM + 1) /* bytes, the NUL included */

/*
 * "Bücher.test" becomes "xn--bcher-kva.test" (IDNA 2008, mapped as in UTS #46). ASCII is put into lower case and not
 * judged: literals and single labels pass. STATUS_INVALID: empty, blanks or control bytes, or no domain in any script.
 * STATUS_TOO_LARGE. STATUS_NO_MEMORY.
 */
MUST_USE enum status domain_canonical(struct span given, char out_domain[DOMAIN_SIZE]);
/* Whether both are one domain. What has no canonical form equals only itself, in either case of ASCII letters. */
bool domain_equal(struct span a, struct span b);

#endif
