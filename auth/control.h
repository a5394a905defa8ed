/* What administrators may ask of the auth role: each of its rows in door/commands.def has a function here. */
#ifndef AUTH_CONTROL_H
#define AUTH_CONTROL_H

#include "auth/control_answer.h"

#define CONTROL_ROWS_MAXIMUM 2000 /* of a list: they fit into one frame; more are told by "truncated" */

/* The admin role's door; a new one takes the place of the old one. Takes `fd` over, also on failure, and logs. */
void auth_attach_admin(struct auth *auth, int fd);
void auth_detach_admin(struct auth *auth);

/* ---- the commands; each answers, now or later */

void auth_control_create_app_password(const struct control_call *call, const json_t *arguments);
void auth_control_list_app_passwords(const struct control_call *call, const json_t *arguments);
void auth_control_revoke_app_password(const struct control_call *call, const json_t *arguments);
void auth_control_list_throttled(const struct control_call *call, const json_t *arguments);
void auth_control_authorize_relay(const struct control_call *call, const json_t *arguments);
void auth_control_clear_throttled(const struct control_call *call, const json_t *arguments);

#endif
