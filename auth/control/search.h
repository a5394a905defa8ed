/*
 * A search for somebody's app passwords: the directories are asked whose the name is, and then a command runs. Where
 * they don't know it (any more) the name itself says whose.
 */
#ifndef AUTH_CONTROL_SEARCH_H
#define AUTH_CONTROL_SEARCH_H

#include "auth/control/answer.h"
#include "auth/lookup.h"

/* Invariant: in auth's list until it is freed, so that none is left when the role stops in the middle of one. */
struct app_password_search {
	struct app_password_search *next, **at;
	struct control_call call;
	struct lookup lookup;
	/* Answers. True: the search is kept until app_password_search_free. */
	bool (*run)(struct app_password_search *search);
	char user[NAME_SIZE]; /* canonical; "": everybody's are meant */
	char owner[IDENTITY_ID_SIZE];
	bool is_entry; /* `owner` is a directory's */
	/* the command's own */
	char id[APP_PASSWORD_ID_SIZE];
	size_t after;
	uint64_t until_s;
	json_t *answer; /* as far as it is known; or NULL */
};

/* `user` NULL: everybody. NULL, and answered: there is no store, no memory, or the name is none. */
struct app_password_search *app_password_search_make(const struct control_call *call, const char *user,
						     bool (*run)(struct app_password_search *search));
/* Runs it, now or later. */
void app_password_search_begin(struct app_password_search *search);
/* Also tells a draining role that it is over. */
void app_password_search_free(struct app_password_search *search);
/* All of them, without an answer: the role ends. */
void app_password_drop_searches(struct auth *auth);

bool app_password_search_is_theirs(const struct app_password_search *search, const struct app_password *password);

#endif
