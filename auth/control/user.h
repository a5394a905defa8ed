/*
 * A command about one user, until it is answered. First the directories say who the name is; an id ("corp:…",
 * "name:…") says so itself, for somebody who has left the directory or while it is away.
 */
#ifndef AUTH_CONTROL_USER_H
#define AUTH_CONTROL_USER_H

#include "auth/control/answer.h"
#include "auth/lock_call.h"
#include "auth/lookup.h"

/* Invariant: in auth's list until it is answered. */
struct user_command {
	struct user_command *next, **at;
	struct control_call call;
	struct lookup lookup;
	struct lock_call reading, changing;
	void (*run)(struct user_command *command);
	bool takes_any;       /* runs though the directory can't be asked, too */
	char user[NAME_SIZE]; /* "": only the id was given */
	char user_id[IDENTITY_ID_SIZE];
	char reason[LOCK_REASON_MAXIMUM + 1];
	/* of "user show" */
	enum lookup_result result;
	struct identity identity;
	json_t *answer;    /* as far as it is known; or NULL */
	json_t *throttled; /* rows of it, borrowed */
	unsigned pages;    /* of the throttled that were looked at */
	uint64_t asked;    /* the number of the question to the relay; 0: none is waited for */
};

/* Runs it, now or later; refused where it can't be known who is meant. `takes_any`: that is known well enough. */
void user_command_begin(const struct control_call *call, const json_t *arguments, bool takes_any,
			void (*run)(struct user_command *command));
/* Both free it. */
void user_command_refuse(struct user_command *command, const char *error);
void user_command_answer(struct user_command *command, json_t *answer); /* takes `answer` over */

/* The relay's answer to "user show"; one that nobody waits for is dropped. */
void user_show_take_sessions(struct auth *auth, const struct door_sessions_told *message);
/* There is no relay any more. */
void user_show_lose_relay(struct auth *auth);

#endif
