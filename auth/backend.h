/*
 * What a back end is to the chain: a row. Each is asked with begin(), and calls chain_answer() or chain_pass() at once
 * or later.
 */
#ifndef AUTH_BACKEND_H
#define AUTH_BACKEND_H

#include "auth/chain.h"

struct backend {
	const char *name; /* as in auth.backends */
	void (*begin)(struct chain_ask *ask);
};

extern const struct backend backend_app_password;
extern const struct backend backend_ldap;
/* Of those who prove an app password without showing it (chain_begin_proof): not in auth.backends. */
extern const struct backend backend_proof;
/* Of those who show an access token: not in auth.backends. */
extern const struct backend backend_token;
/* Of those who come from a provider with a code: the same. */
extern const struct backend backend_code;
/* Of those whose certificate has named them: not in auth.backends. */
extern const struct backend backend_certificate;

/*
 * Before a directory is asked: takes a place for the guess at ask->user's password, instead of one for another name.
 * `on_place` is called where it may be tried, now or later; else the chain is answered.
 */
void chain_take_place(struct chain_ask *ask, void (*on_place)(struct chain_ask *ask));
/* The verdict; for VERDICT_GRANTED ask->decision.identity was filled before. */
void chain_answer(struct chain_ask *ask, enum verdict verdict, enum stats_method method, const char *reason);
/* Not mine: the next back end; `reason` is kept for the audit in case there is none. */
void chain_pass(struct chain_ask *ask, const char *reason);

/*
 * For a mechanism that has found whose password it is by itself: answers with all that the password says of its use.
 * `identity` is its owner's, who may come in.
 */
void app_password_admit(struct chain_ask *ask, const struct app_password *password, const struct identity *identity);
/* The same for one of a service, which has no entry. Other than STATUS_OK: nothing was answered. */
MUST_USE enum status app_password_admit_service(struct chain_ask *ask, const struct app_password *password);
/* From now on it is theirs, whoever has the name. */
void app_password_assign(struct chain_ask *ask, const struct app_password *password, const char *owner);

#endif
