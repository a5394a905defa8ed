/*
 * Whether a connection becomes a session. One that the limits or the listener's networks don't admit is counted,
 * recorded, told why where the client can read it, and closed.
 */
#ifndef GATE_ADMISSION_H
#define GATE_ADMISSION_H

#include "gate/gate.h"

/* Takes over a connection of this client: makes it a session, or turns it away. */
void admission_admit(struct gate_listener *listener, int fd, const struct endpoint *client);
/* Turns it away, by the verdict. */
void admission_refuse(struct gate_listener *listener, int fd, const struct endpoint *client,
		      enum limits_verdict verdict);

#endif
