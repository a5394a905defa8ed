/*
 * The descriptor under a TLS connection, as OpenSSL reads and writes it: within the connection's bounds, and with what
 * belongs together in one segment. Private to this room.
 */
#ifndef NET_TLS_SOCKET_H
#define NET_TLS_SOCKET_H

#include "base/status.h"

struct channel_bounds;

/* Puts the descriptor of these bounds, which are around `ssl` and outlive it, under it. */
MUST_USE enum status tls_socket_attach(struct channel_bounds *bounds);

#endif
