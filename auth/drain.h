/* The end of a role that has a successor: it goes with the last of what it began. */
#ifndef AUTH_DRAIN_H
#define AUTH_DRAIN_H

#include "auth/auth.h"

/* Takes no new work from now on, and ends the process when nothing is left, or after `limit_ms`. */
void auth_drain(struct auth *auth, uint64_t limit_ms);
/* Ends the process if it drains and nothing is left to do. Called whenever something ended. */
void auth_check_drained(struct auth *auth);

#endif
