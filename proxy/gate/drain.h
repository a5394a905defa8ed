/* A gate that takes no more clients, and ends with the last one, or when its time is up. */
#ifndef GATE_DRAIN_H
#define GATE_DRAIN_H

#include "gate/gate.h"

MUST_USE enum status drain_prepare(struct gate *gate);
/* role.drain; `state` is the gate. Its sessions may take `limit_ms`; if RENEWED, the first half undisturbed. */
void drain_begin(void *state, uint64_t limit_ms, enum role_drain how);

#endif
