/*
 * How many connections a gate takes: in all, and from one client network (an
 * IPv4 address, or an IPv6 /64, which is what one customer gets). Both bounds
 * are those of this gate: the kernel spreads connections over the gates.
 */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/status.h"

/* A client network, comparable byte by byte. */
struct limits_key {
	unsigned char bytes[9]; /* family, then 4 bytes of IPv4 or 8 of IPv6 */
};

struct limits;

MUST_USE enum status limits_create(uint64_t connections, uint64_t per_network, struct limits **out_limits);
void limits_free(struct limits **limits); /* NULL-safe */

/* IPv4-mapped IPv6 counts as IPv4; what is no IP address (a UNIX socket) shares one key. */
struct limits_key limits_key_of(const struct sockaddr_storage *address);

/* Counts one connection; key NULL: in all only, as its network is not known yet. STATUS_REFUSED: a bound is reached, nothing is counted; STATUS_NO_MEMORY the same. */
MUST_USE enum status limits_enter(struct limits *limits, const struct limits_key *key);
/* Takes back one limits_enter that was STATUS_OK, with its key. */
void limits_leave(struct limits *limits, const struct limits_key *key);
/* Connections counted now. */
uint64_t limits_count(const struct limits *limits);

#endif
