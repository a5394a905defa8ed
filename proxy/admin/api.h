/*
 * The console's API, for browsers and scripts: each command of door/commands.def has a path, /api/v1/WORD/WORD, asked
 * for by GET if it only shows something and else by POST. It is answered from the session that the request's token
 * stands for, never by the console's word.
 *
 * A call is one request under way. It waits for the auth role (a login, or whether a right still holds), then for the
 * role that its command is for; each of its ways ends in an answer. A request with a token of the API's in the place of
 * a session waits for nobody's right.
 */
#ifndef ADMIN_API_H
#define ADMIN_API_H

#include "admin/people.h"
#include "admin/recorder.h"
#include "admin/token_store.h"
#include "door/messages.h"
#include "net/loop.h"

/* In the numbers of requests that the API passes on, so that none is the control socket's. */
#define API_NUMBERS (UINT64_C(1) << 63)

struct api;

struct api_handler {
	/* To the console. Not STATUS_OK: it is away. */
	enum status (*answer)(void *context, const struct door_console_answered *answer);
	/* To auth. Not STATUS_OK: it is away. */
	enum status (*login)(void *context, const struct door_sasl_start *message);
	enum status (*find_provider)(void *context, const struct door_provider_asked *message);
	enum status (*check)(void *context, const struct door_person_asked *message);
	/* As control_socket_handler.ask; and the record of a login, which nobody waits for. */
	enum status (*ask)(void *context, const struct admin_request *request);
	enum status (*record)(void *context, const struct door_command_record *message);
};

/* `tokens` is borrowed; NULL: none is right. */
MUST_USE enum status api_create(struct loop *loop, const struct config *config, struct token_store *tokens,
				const struct api_handler *handler, void *context, struct api **out_api);
struct people *api_people(struct api *api); /* who is logged in */
void api_free(struct api **api);            /* NULL-safe; sets to NULL */

/* A request of a browser. It is answered in any case. */
void api_take(struct api *api, const struct door_console_asked *asked);
/* The console is another one, or gone: nobody waits for the answers. */
void api_lose_console(struct api *api);

/* ---- what roles say */

void api_take_person(struct api *api, const struct door_person *person);
void api_take_provider(struct api *api, const struct door_provider_told *told);
void api_take_refusal(struct api *api, const struct door_sasl_done *done);
void api_take_checked(struct api *api, const struct door_person_checked *checked);
void api_take_reply(struct api *api, uint64_t request, struct span json);
void api_take_error(struct api *api, uint64_t request, const char *error);
void api_lose_role(struct api *api, enum role_kind role);

#endif
