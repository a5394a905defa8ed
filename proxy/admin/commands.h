/*
 * What administrators can ask for: which role knows the answer, and which
 * arguments a request may carry. A request is one JSON object such as
 * {"command": "quota show", "user": "anna@example.com"}.
 */
#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H

#include "base/span.h"
#include "door/role.h"

#define COMMAND_LINE_MAXIMUM 65536 /* bytes of a request, its line end not counted */
#define COMMAND_REASON_SIZE 256    /* bytes, the NUL included */

/*
 * Checks one request: a JSON object with a known command and no argument that
 * is not the command's, of the wrong type, missing or with control bytes in it.
 * STATUS_INVALID: out_reason tells why (written only then).
 */
MUST_USE enum status command_check(struct span line, enum role_kind *out_role, char out_reason[COMMAND_REASON_SIZE]);

#endif
