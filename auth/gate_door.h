/* One gate's door, as exchanges see it. */
#ifndef AUTH_GATE_DOOR_H
#define AUTH_GATE_DOOR_H

#include "auth/auth.h"
#include "base/map.h"
#include "base/pace.h"

#define EXCHANGES_PER_GATE 4096 /* at once; more hear 454: 16 MB at most, and more than a directory could answer */

#define EXCHANGES_A_SECOND 1000 /* of a gate in the long run: more than it has handshakes; more hear 454 */

/* Invariant: stands in auth->gates. */
struct gate_door {
	struct auth *auth;
	struct gate_door *next;
	struct door *door;
	uint32_t instance;    /* as the supervisor numbered its process: the only name a session's gate has */
	struct map exchanges; /* by request */
	struct pace begun;    /* exchanges */
};

/* Sends SASL_DONE without a grant. */
void auth_gate_refuse(struct gate_door *gate, uint64_t request, const char *reply);

#endif
