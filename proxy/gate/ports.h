/*
 * The sockets that a gate listens on, by the names under which the supervisor hands them over, once all of its
 * generation are ready.
 */
#ifndef GATE_PORTS_H
#define GATE_PORTS_H

#include "gate/gate.h"

/* role.listen; `state` is the gate. STATUS_INVALID: no such section. `fd` is closed on failure. */
MUST_USE enum status ports_listen(void *state, struct span name, int fd);
/* Accepts the clients that wait already, and closes all sockets. */
void ports_finish(struct gate *gate);
void ports_close(struct gate *gate);

#endif
