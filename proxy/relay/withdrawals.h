/*
 * Rights that end while sessions run: what other roles and nodes tell by way of Redis (redis/events.h), and what an
 * administrator says here. A withdrawn grant stays in its table until its gate says that the session is closed, so that
 * an honest gate's last frames are refused as what they are; nothing of it is begun or charged any more.
 */
#ifndef RELAY_WITHDRAWALS_H
#define RELAY_WITHDRAWALS_H

#include "redis/events.h"
#include "relay/gate_door.h"

/* Embedded in the role's state. */
struct withdrawals {
	struct services *services;
	struct grants *grants;
	struct gate_doors *gates;
	struct events *events; /* which role's others hear of a session that is not here */
};

/* Ends its transaction, unless that is complete, and has its client told. `reason` is for the audit. */
void withdraw_grant(struct withdrawals *self, struct grant *grant, struct span reason);
/* The session "GATE-NUMBER". False: it is not here, or has ended already. */
bool withdraw_session(struct withdrawals *self, struct span name, const char *reason);

/* For events_create, with the struct withdrawals as context. */
extern const struct events_handler withdrawals_handler;

#endif
