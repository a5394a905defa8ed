/* What a back end is to the chain: a row. Each is asked with begin() and says chain_answer() or chain_pass(), now or later. */
#ifndef AUTH_BACKEND_H
#define AUTH_BACKEND_H

#include "auth/chain.h"

struct backend {
	const char *name; /* as in auth.backends */
	void (*begin)(struct chain_ask *ask);
};

extern const struct backend backend_app_password;
extern const struct backend backend_ldap;

/* The verdict; for VERDICT_GRANTED ask->decision.identity was filled before. */
void chain_answer(struct chain_ask *ask, enum verdict verdict, enum stats_method method, const char *reason);
/* Not mine: the next back end; `reason` is kept for the audit in case there is none. */
void chain_pass(struct chain_ask *ask, const char *reason);
/* Puts the same question to the directory number ask->directory: a look-up, or with `check` the password too. */
MUST_USE enum status chain_ask_directory(struct chain_ask *ask, bool check,
					 void (*on_answer)(void *context, const struct ldap_request *answer));
/* Whose password it would be, as a directory knows him. */
void chain_set_user(struct chain_ask *ask, const char *user);
/* Whether the throttle refuses him, or the name that was given for him. */
bool chain_user_is_blocked(const struct chain_ask *ask);
/* Keeps what a directory said of the user of this ask; without memory it is asked again next time. */
void chain_remember_entry(struct chain_ask *ask, const struct identity *identity);
/* The last such word, at most `max_age_ms` old; NULL. Valid until the next change. */
const struct identity *chain_recall_entry(struct chain_ask *ask, uint64_t max_age_ms);
void chain_forget_entry(struct chain_ask *ask);

#endif
