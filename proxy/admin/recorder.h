/*
 * Requests that change or test something, between their two records in the audit: one is passed on to its role only
 * once the relay role has written that it begins, and by whom; what came of it is recorded when the role has answered.
 *
 * How it fails: a request whose beginning can't be written is refused and never passed on. Those for the supervisor
 * (reload, drain) are what may mend an audit that can't be written: they are passed on, and the log names who asked.
 */
#ifndef ADMIN_RECORDER_H
#define ADMIN_RECORDER_H

#include "admin/caller.h"
#include "admin/command_table.h"
#include "door/messages.h"

/* One request of the control socket. */
struct admin_request {
	uint64_t number;
	const struct admin_command *command;
	const struct caller *caller;
	struct span json;
};

/* Bytes of a token's id, the NUL included. */
#define RECORDER_TOKEN_SIZE 16
/* What a caller hears of a request whose beginning can't be written. */
#define RECORDER_REFUSAL "nothing was done, as the audit can't be written"

struct recorder;

struct recorder_handler {
	/* To the relay role. Not STATUS_OK: it is away. */
	enum status (*record)(void *context, const struct door_command_record *message);
	/* To the role that knows the answer. Not STATUS_OK: it is away. */
	enum status (*pass)(void *context, enum role_kind role, uint64_t request, struct span json);
	/* It ends without a role's answer. */
	void (*refuse)(void *context, uint64_t request, const char *error);
};

MUST_USE enum status recorder_create(const struct recorder_handler *handler, void *context,
				     struct recorder **out_recorder);
void recorder_free(struct recorder **recorder); /* NULL-safe */

/*
 * Not STATUS_OK: nothing of it was done, and nothing will be. STATUS_UNAVAILABLE: the role that it is for is away; any
 * other: its beginning can't be written.
 */
MUST_USE enum status recorder_begin(struct recorder *recorder, const struct admin_request *request);
/* The relay role's COMMAND_RECORDED. */
void recorder_take_written(struct recorder *recorder, uint64_t request, bool is_written);
/* A role has answered; of no concern unless recorder_begin knows the request. */
void recorder_take_answer(struct recorder *recorder, uint64_t request, struct span json);
/* What it was asked is not answered any more; a relay role has not written what it was to. */
void recorder_role_lost(struct recorder *recorder, enum role_kind role);

#endif
