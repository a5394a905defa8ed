/*
 * How many connections this node takes, in all and from one client network (an IPv4 address, or an IPv6 /64, and with
 * larger shares the /56 and the /48 around it), over all its gates, those that drain after a reload included
 * (stats/census.h); how many sessions one user may have, counted in the same way; how much memory this gate holds for
 * them, and how many it has descriptors for.
 */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/span.h"
#include "base/status.h"
#include "stats/census.h"

#define LIMITS_NO_NETWORK 0U /* not known yet: it counts only in the total */

/* Why a connection is refused; LIMITS_NETWORK: its listener does not serve it. */
enum limits_verdict {
	LIMITS_ADMITTED,
	LIMITS_CONNECTIONS,
	LIMITS_ADDRESS,
	LIMITS_MEMORY,
	LIMITS_DESCRIPTORS,
	LIMITS_NETWORK
};

struct limits_place;
TAILQ_HEAD(limits_places, limits_place);

struct limits {
	struct census *census; /* owned */
	uint64_t connections;
	uint64_t per_network;
	uint64_t memory;      /* bytes, of this gate */
	uint64_t descriptors; /* connections of this gate */
	struct limits_places places;
};

/*
 * Takes the census over. `memory`: bytes that this gate may hold for its clients; `descriptors`: those that it may use
 * for them.
 */
void limits_begin(struct limits *limits, struct census *census, uint64_t connections, uint64_t per_network,
		  uint64_t memory, uint64_t descriptors);
/* Leaves the census. Places that are held are forgotten: to give them up later does no more than free them. */
void limits_end(struct limits *limits);

/*
 * A number for each client network, never 0, from which those of the wider ones follow. IPv4-mapped IPv6 counts as
 * IPv4; all that is no IP address (a UNIX socket) shares one number.
 */
uint64_t limits_network_of(const struct sockaddr_storage *address);

/* Counts one connection, unless a bound is reached: then nothing is counted. */
MUST_USE enum limits_verdict limits_enter(struct limits *limits, uint64_t network);
/* True while there is room for something new: one more connection, or one more message. */
bool limits_have_memory(const struct limits *limits);
/* Takes back one that was admitted, with its network. */
void limits_leave(struct limits *limits, uint64_t network);

/* A number for each user, whatever the case of the name; never that of a network. */
uint64_t limits_user_of(struct span name);
/* Counts one more session of this user. False: `sessions` are there already, over all gates, and nothing is counted. */
MUST_USE bool limits_enter_user(struct limits *limits, uint64_t user, uint64_t sessions);
void limits_leave_user(struct limits *limits, uint64_t user);

/*
 * An admitted connection's count as a thing to hold until its descriptor is closed: after its session, as a last reply
 * may be on its way for some seconds, and perhaps after the gate. STATUS_NO_MEMORY: the connection is taken back.
 */
MUST_USE enum status limits_hold_place(struct limits *limits, uint64_t network, struct limits_place **out_place);
void limits_give_up_place(void *place);

#endif
