/*
 * One gate's door: frames become calls of a handler, which owns the exchanges; answers go out. When the door ends, its
 * exchanges end with it.
 */
#ifndef AUTH_GATE_DOOR_H
#define AUTH_GATE_DOOR_H

#include "auth/auth.h"
#include "base/map.h"
#include "base/pace.h"

#define EXCHANGES_PER_GATE 4096 /* at once; more hear 454: 16 MB at most, and more than a directory could answer */

#define EXCHANGES_A_SECOND 1000 /* of a gate in the long run: more than it has handshakes; more hear 454 */

/* Invariant: stands in auth->gates; but for auth->console, the door of the admin role, by which the console logs in. */
struct gate_door {
	struct auth *auth;
	struct gate_door *next;
	struct door *door;
	bool is_console;
	uint32_t instance;              /* as the supervisor numbered its process: the only name a session's gate has */
	struct map exchanges;           /* by request */
	struct pace begun;              /* exchanges */
	struct tls_challenge challenge; /* of this door: handshakes of its clients with a certificate must hold it */
};

struct gate_door_handler {
	/* An AUTH command. STATUS_INVALID: no gate of ours would have sent it; its door is closed. */
	enum status (*on_start)(struct gate_door *gate, const struct door_sasl_start *message);
	void (*on_step)(struct gate_door *gate, uint64_t request, struct span response);
	void (*on_cancel)(struct gate_door *gate, uint64_t request);
	/* The door is about to close: what is in `exchanges` has to go. */
	void (*on_gone)(struct gate_door *gate);
};

/* A gate's new door takes the place of its old one. Takes `fd` over, also on failure, and logs. */
void auth_attach_gate(struct auth *auth, uint32_t instance, int fd);
void auth_detach_gates(struct auth *auth); /* all of them, and their exchanges */

/* Sends SASL_DONE without a grant. */
void auth_gate_refuse(struct gate_door *gate, uint64_t request, const char *reply);

#endif
