/*
 * Connections from a load balancer, until its PROXY header has come: it says who the client is, so no session can begin
 * before. Only the addresses of the listener's proxy_protocol_from are believed, and from them a header is required:
 * without one, anybody behind the load balancer would pass as the load balancer itself.
 */
#ifndef GATE_ARRIVAL_H
#define GATE_ARRIVAL_H

#include "gate/gate.h"

/* Whether a header is required of this peer. */
bool arrival_is_expected(const struct gate_listener *listener, const struct endpoint *peer);
/*
 * Owns `fd` until the header has been taken off it, to the byte; then admission_admit() gets it with the client's
 * address. It is closed without a word when something else comes, or the header takes too long, and turned away like
 * any client beyond limits.connections.
 */
void arrival_begin(struct gate_listener *listener, int fd, const struct endpoint *peer);
/* Closes all that still wait. */
void arrival_end_all(struct gate *gate);

#endif
