/*
 * How many connections this node takes: in all, and from one client network
 * (an IPv4 address, or an IPv6 /64, which is what one customer gets), over all
 * its gates, those that drain after a reload included (stats/census.h).
 */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/status.h"
#include "stats/census.h"

#define LIMITS_NO_NETWORK 0U /* not known yet: it counts in all only */

/* What a connection was counted against, or refused for. */
enum limits_verdict { LIMITS_ADMITTED, LIMITS_CONNECTIONS, LIMITS_ADDRESS };

struct limits {
	struct census *census; /* owned */
	uint64_t connections;
	uint64_t per_network;
};

/* A number for each client network, never 0. IPv4-mapped IPv6 counts as IPv4; what is no IP address (a UNIX socket) shares one. */
uint64_t limits_network_of(const struct sockaddr_storage *address);

/* Counts one connection, unless a bound is reached: then nothing is counted. */
MUST_USE enum limits_verdict limits_enter(struct limits *limits, uint64_t network);
/* Takes back one that was admitted, with its network. */
void limits_leave(struct limits *limits, uint64_t network);

#endif
