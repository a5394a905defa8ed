/*
 * A password on its way to a directory. It may outlive the client that gave it: whoever goes away in the middle must
 * not make their guess uncounted, so the place it holds is settled by the answer all the same.
 */
#ifndef AUTH_TRIAL_H
#define AUTH_TRIAL_H

#include "auth/chain.h"

/*
 * Tries the password of `ask` at ask->directory; ask->trial stands for it. `on_answer` is called once, later, unless
 * the ask ends before. STATUS_UNAVAILABLE, STATUS_NO_MEMORY: it was not tried.
 */
MUST_USE enum status trial_begin(struct chain_ask *ask,
				 void (*on_answer)(struct chain_ask *ask, const struct ldap_request *answer));
/* The client is gone: ask->trial and ask->guess are taken over. NULL-safe. */
void trial_abandon(struct chain_ask *ask);
/* Ends all that were abandoned, without waiting for answers. Before the directories. */
void trials_end(struct chain *chain);

#endif
