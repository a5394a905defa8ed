/* Whether anything is left to do is seen from what the role's state counts; nothing is kept here. */
#include "auth/drain.h"

void auth_check_drained(struct auth *auth)
{
	bool is_changing = auth->makings || auth->searches;
	if (auth->draining && auth->gates == NULL && !is_changing && !tokens_are_busy(auth->tokens))
		role_finish(auth->role);
}

/* Gates go when their sessions have ended, or turn to the newer auth role: the last to go takes this role with it. */
void auth_drain(struct auth *auth, uint64_t limit_ms)
{
	auth->draining = true;
	tokens_drain(auth->tokens);
	uses_write(auth->uses);
	timer_set(auth->drain_timer, limit_ms);
	auth_check_drained(auth);
}
