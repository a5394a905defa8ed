/*
 * The gate's end of the auth door (door/auth.def): who may log in, and as whom. Hides the frames from the commands.
 * Without the door, or when it is lost, logins are refused for now and everything else goes on.
 */
#ifndef GATE_AUTH_DOOR_H
#define GATE_AUTH_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct door;
struct gate;
struct session;
struct door_sasl_done;

/* What the auth role's answers lead to. They name a session whose exchange still goes on. */
struct auth_answer_handler {
	void (*on_challenge)(struct session *s, struct span challenge);
	void (*on_done)(struct session *s, const struct door_sasl_done *done);
	void (*on_lost)(struct gate *gate); /* the door is gone, and with it all exchanges */
};

struct auth_door {
	struct gate *gate;
	const struct auth_answer_handler *handler;
	struct door *door; /* NULL: none */
	uint32_t instance; /* of the auth role at its other end */
	/* Separated by spaces, as EHLO shows them; never NULL once begun: for all, for whoever has a certificate. */
	char *mechanisms;
	char *certified_mechanisms;
};

/* Offers what the configuration says until the auth role says what it has. STATUS_NO_MEMORY. */
MUST_USE enum status auth_door_begin(struct auth_door *auth, struct gate *gate,
				     const struct auth_answer_handler *handler);
/* Takes over `fd`; replaces the door before it, whose exchanges end with 454. */
void auth_door_attach(struct auth_door *auth, uint32_t instance, int fd);
void auth_door_end(struct auth_door *auth);

/* What this client is offered, separated by spaces. */
const char *auth_door_mechanisms(const struct session *s);
/* True when this mechanism is, without case. */
bool auth_door_offers(const struct session *s, struct span mechanism);

/* Begins the exchange of this session and registers it. STATUS_UNAVAILABLE: no door. */
MUST_USE enum status auth_door_start(struct session *s, struct span mechanism, bool has_initial, struct span initial);
/* The client's line. STATUS_UNAVAILABLE: the door, or the exchange, is lost. */
MUST_USE enum status auth_door_step(struct session *s, struct span response);
/* Ends the exchange, if there is one, and tells the auth role. */
void auth_door_cancel(struct session *s);

#endif
