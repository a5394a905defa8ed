/* What administrators may ask of the auth role: each of its rows in door/commands.def has a function here. */
#ifndef AUTH_CONTROL_CONTROL_H
#define AUTH_CONTROL_CONTROL_H

#include "auth/control/answer.h"

#define CONTROL_ROWS_MAXIMUM 2000 /* of a list: they fit into one frame; more are told by "truncated" */

/* The admin role's door; a new one takes the place of the old one. Takes `fd` over, also on failure, and logs. */
void auth_attach_admin(struct auth *auth, uint32_t instance, int fd);
void auth_detach_admin(struct auth *auth);

/* Those that are under way are never answered: the role ends, and no call of Redis comes back any more. */
void auth_control_drop_user_commands(struct auth *auth);

void auth_control_drop_test(struct auth *auth);

/* ---- the commands; each answers, now or later */

void auth_control_create_app_password(const struct control_call *call, const json_t *arguments);
void auth_control_list_app_passwords(const struct control_call *call, const json_t *arguments);
void auth_control_revoke_app_password(const struct control_call *call, const json_t *arguments);
void auth_control_rotate_app_password(const struct control_call *call, const json_t *arguments);
void auth_control_list_expiring(const struct control_call *call, const json_t *arguments);
void auth_control_show_user(const struct control_call *call, const json_t *arguments);
void auth_control_lock_user(const struct control_call *call, const json_t *arguments);
void auth_control_unlock_user(const struct control_call *call, const json_t *arguments);
void auth_control_forget_user(const struct control_call *call, const json_t *arguments);
void auth_control_show_client_settings(const struct control_call *call, const json_t *arguments);
void auth_control_test_directory(const struct control_call *call, const json_t *arguments);
void auth_control_list_throttled(const struct control_call *call, const json_t *arguments);
void auth_control_authorize_relay(const struct control_call *call, const json_t *arguments);
void auth_control_clear_throttled(const struct control_call *call, const json_t *arguments);

#endif
