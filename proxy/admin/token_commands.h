/* The commands that the admin role answers itself, about the API's tokens (ADMIN_COMMAND in door/commands.def). */
#ifndef ADMIN_TOKEN_COMMANDS_H
#define ADMIN_TOKEN_COMMANDS_H

#include "admin/token_store.h"

struct token_commands;

/* {"ok":true,…} or {"ok":false,"error":…}, under the request's number: once for each, after the call that asked. */
typedef void token_commands_answer(void *context, uint64_t request, struct span json);

/* `store` is borrowed; NULL: there is no console, and each command is refused. */
MUST_USE enum status token_commands_create(struct loop *loop, struct token_store *store, token_commands_answer *answer,
					   void *context, struct token_commands **out_commands);
void token_commands_free(struct token_commands **commands); /* NULL-safe; sets to NULL */
/* A request as admin_command_check lets it pass. STATUS_NO_MEMORY: it is not answered. */
MUST_USE enum status token_commands_take(struct token_commands *commands, uint64_t request, struct span json);

#endif
