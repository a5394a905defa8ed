/*
 * What administrators ask for: a request is checked against the table of
 * commands, which names the role that knows the answer. A request is one JSON
 * object such as {"command": "quota show", "user": "anna@example.com"}.
 */
#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H

#include "admin/command_table.h"
#include "base/span.h"

/* Bytes of a request, its line end not counted. */
#define COMMAND_LINE_MAXIMUM 65536
/* Bytes, the NUL included. */
#define COMMAND_REASON_SIZE 256

/*
 * Checks one request: a JSON object with a known command, with all arguments that
 * the command needs and none that it doesn't take, each of the right type and
 * without control bytes. STATUS_INVALID: out_reason says why (written only then).
 */
MUST_USE enum status admin_command_check(struct span line, const struct admin_command **out_command,
					 char out_reason[COMMAND_REASON_SIZE]);

#endif
