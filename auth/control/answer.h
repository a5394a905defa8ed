/* What a command of an administrator is answered, and where. */
#ifndef AUTH_CONTROL_ANSWER_H
#define AUTH_CONTROL_ANSWER_H

#include <jansson.h>

#include "auth/auth.h"

/* Where an answer belongs. Can be kept after the call. */
struct control_call {
	struct auth *auth;
	uint64_t request;
	uint64_t generation; /* of the door it came by */
};

/* Answers {"ok":true, …fields}; takes `fields` over, NULL means out of memory. */
void auth_control_answer(const struct control_call *call, json_t *fields);
/* As auth_control_answer, with one more field that is never in jansson's memory; its text needs no escaping. */
void auth_control_answer_secret(const struct control_call *call, json_t *fields, const char *name,
				const struct secret *value);
/* Answers {"ok":false,"error":…}. */
void auth_control_refuse(const struct control_call *call, const char *error);
/* A text argument; NULL: not there, or no text. Borrowed. */
const char *auth_control_text(const json_t *arguments, const char *name);

#endif
