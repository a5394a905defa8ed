/* One gate's door, as exchanges see it. */
#ifndef AUTH_GATE_DOOR_H
#define AUTH_GATE_DOOR_H

#include "auth/auth.h"
#include "auth/map.h"

#define EXCHANGES_PER_GATE 4096 /* at once; more hear 454: 16 MB at most, and more than a directory could answer */

/* Invariant: stands in auth->gates. */
struct gate_door {
	struct auth *auth;
	struct gate_door *next;
	struct door *door;
	uint32_t instance;    /* as the supervisor numbered its process: the only name a session's gate has */
	struct map exchanges; /* by request */
};

/* Sends SASL_DONE without a grant. */
void auth_gate_refuse(struct gate_door *gate, uint64_t request, const char *reply);

#endif
