/*
 * User names as everything after SASL knows them: one spelling for each user, whatever was typed. The part before the
 * last @, or the whole name without one, is UsernameCaseMapped (RFC 8265, 3.3): width and case mapped, composed (NFC),
 * and of letters, digits and printable ASCII alone. What follows the @ is a domain (base/domain.h). Blanks at the ends
 * are dropped, a run of them within counts as one.
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include "base/span.h"

#define NAME_MAXIMUM 255             /* bytes; RFC 4616, 2 */
#define NAME_SIZE (NAME_MAXIMUM + 1) /* bytes, the NUL included */

/*
 * Canonical names are their own canonical form. STATUS_INVALID: empty, no UTF-8, control bytes, or anything that may
 * not stand in a name. STATUS_TOO_LARGE: as given, or as it would become. STATUS_NO_MEMORY.
 */
MUST_USE enum status name_canonical(struct span given, char out_name[NAME_SIZE]);

#endif
