/* TLS handshakes that fail: counted by listener and reason, and logged at a bounded rate. */
#ifndef GATE_HANDSHAKE_H
#define GATE_HANDSHAKE_H

#include "gate/session.h"

/* The stream of this session failed in its handshake. */
void handshake_note_failure(const struct session *s);

#endif
