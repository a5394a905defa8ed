/*
 * Who may run which command in the console: the table of commands against what somebody is there. Pure.
 *
 * Administrators run all. Operators run what shows or tests something, auditors what shows something. Everybody runs,
 * about themselves alone, the commands whose `user` is of the kind OWNER.
 */
#ifndef ADMIN_ACCESS_H
#define ADMIN_ACCESS_H

#include <jansson.h>

#include "admin/command_table.h"
#include "config/config.h"
#include "door/codec.h"

enum access_role { ACCESS_USER, ACCESS_AUDITOR, ACCESS_OPERATOR, ACCESS_ADMIN, ACCESS_ROLES };

/* "user", "auditor", …; static. */
const char *access_role_text(enum access_role role);
/* The same backwards; false: there is no such role. */
bool access_role_find(struct span text, enum access_role *out_role);
/* What the section console makes of them; user and groups are canonical. STATUS_NO_MEMORY. */
MUST_USE enum status access_find_role(const struct config_console *console, struct span user, struct codec_list groups,
				      enum access_role *out_role);

/* Who runs it with any arguments, and all above them. */
enum access_role access_least_role(const struct admin_command *command);
/* Whether everybody runs it about themselves. */
bool access_is_own(const struct admin_command *command);

enum access_verdict {
	ACCESS_ALLOWED,
	ACCESS_HIDDEN,    /* as if there were no such thing: a user's verdict */
	ACCESS_FORBIDDEN, /* that of somebody who sees that there is */
};

/*
 * May they run it with these arguments? Where they may about themselves alone, `user` is set to their name, however
 * they spelled it. `user` is NULL for a program, which has nothing of its own. Commands that subgatectl does by itself
 * are nobody's here.
 */
enum access_verdict access_judge(const struct admin_command *command, enum access_role role, const char *user,
				 json_t *arguments);

#endif
