/* What the commands about app passwords share. */
#ifndef AUTH_CONTROL_APP_PASSWORD_H
#define AUTH_CONTROL_APP_PASSWORD_H

#include "auth/control/answer.h"

/* An app password that is wanted. Lists have a LF between their items. */
struct app_password_request {
	char id[APP_PASSWORD_ID_SIZE];
	char user[NAME_SIZE];
	char label[CHANGE_LABEL_MAXIMUM + 1];
	char from[CHANGE_LIST_MAXIMUM + 1];
	char senders[CHANGE_LIST_MAXIMUM + 1];
	char recipients[CHANGE_LIST_MAXIMUM + 1];
	char responsible[NAME_SIZE];
	bool is_service, is_console;
	uint64_t created_s;
	uint64_t expires_s;                 /* 0: never */
	uint64_t messages_per_day;          /* 0: no limit but the user's own */
	char rotated[APP_PASSWORD_ID_SIZE]; /* whose place it takes; or "" */
	uint64_t overlap_s;                 /* when that one ends */
};

/* ---- app_request.c */

/* What is wrong with the arguments of "create", or NULL. */
const char *app_password_request_read(const json_t *arguments, struct app_password_request *request);
/* Takes over the texts of another one. */
void app_password_request_copy(const struct app_password *password, struct app_password_request *request);
/* Its creation; views into the request. Owner and hash are the caller's to add. */
struct app_password_change app_password_request_change(const struct app_password_request *request);

/* ---- auth/control/app_password.c */

/* Makes one that takes the place of `password`, which ends at `overlap_s`, and answers. */
void app_password_rotate(const struct control_call *call, const struct app_password *password, uint64_t overlap_s);
/* Drops what is being made, without an answer: the role ends. */
void app_password_drop_makings(struct auth *auth);

/* ---- auth/control/search.c */

/* False, and answered: there is nothing to work with. */
bool app_password_can_use_store(const struct control_call *call);
/* Why a change did not come into the store. */
const char *app_password_store_fault(enum status status);

#endif
