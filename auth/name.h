/*
 * User names as everything after SASL knows them: without blanks at the ends,
 * ASCII letters in lower case, no control bytes. Clients send names in any case.
 */
#ifndef AUTH_NAME_H
#define AUTH_NAME_H

#include "base/span.h"

#define NAME_MAXIMUM 255             /* bytes; RFC 4616, 2 */
#define NAME_SIZE (NAME_MAXIMUM + 1) /* bytes, the NUL included */

/* STATUS_INVALID: empty, or with control bytes. STATUS_TOO_LARGE. */
MUST_USE enum status name_canonical(struct span given, char out_name[NAME_SIZE]);

#endif
