/*
 * The bounds on connections. It first looks whether there is room, so that a flood of refused ones counts nowhere; then
 * it counts, and looks again: another gate may have done the same at the same time, and then whichever sees too many
 * steps back.
 */
#include "gate/limits.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fnv.h"
#include "base/network.h"
#include "net/tls.h"

/* Bytes of an idle one, buffers and what tls_memory counts aside: OpenSSL's, 14 KiB with 3.0, 17 with 3.5. */
#define CONNECTION_MEMORY 20480U

/* Numbers of networks that nobody has, as ::/8 is reserved. */
#define NETWORK_OTHER 1U                      /* no IP address */
#define NETWORK_ZERO 2U                       /* ::/64 itself, ::1 for one */
#define NETWORK_IPV4 (UINT64_C(0xffff) << 32) /* and the address in the lower bits */

/* The /56 and the /48 around a /64 are numbers of ff00::/8, which is multicast. */
#define NETWORK_56 (UINT64_C(0xff) << 56)
#define NETWORK_48 (UINT64_C(0xffff) << 48)

#define USER_MARK (UINT64_C(0xff) << 48) /* and 48 bits of a hash of the name */
#define USER_BITS ((UINT64_C(1) << 48) - 1)

struct limits_place {
	TAILQ_ENTRY(limits_place) in_limits;
	struct limits *limits; /* NULL: they are gone */
	uint64_t network;
};

void limits_begin(struct limits *limits, struct census *census, uint64_t connections, uint64_t per_network,
		  uint64_t memory, uint64_t descriptors)
{
	*limits = (struct limits){ .census = census,
				   .connections = connections,
				   .per_network = per_network,
				   .memory = memory,
				   .descriptors = descriptors };
	TAILQ_INIT(&limits->places);
}

void limits_end(struct limits *limits)
{
	struct limits_place *place;
	while (limits->census && (place = TAILQ_FIRST(&limits->places)) != NULL) {
		TAILQ_REMOVE(&limits->places, place, in_limits);
		limits_leave(limits, place->network);
		place->limits = NULL;
	}
	census_leave(&limits->census);
}

/* ---- networks */

static uint64_t read_number(const unsigned char *bytes, size_t size)
{
	uint64_t number = 0;
	for (size_t i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

uint64_t limits_network_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
		return NETWORK_IPV4 | read_number((const unsigned char *)&v4->sin_addr, 4);
	}
	if (address->ss_family != AF_INET6)
		return NETWORK_OTHER;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(v6))
		return NETWORK_IPV4 | read_number(v6->s6_addr + 12, 4);
	uint64_t network = read_number(v6->s6_addr, 8);
	return network ? network : NETWORK_ZERO;
}

/* ---- counting */

/* 0: there is no network of this width around it. */
static uint64_t widen_network(uint64_t network, unsigned width)
{
	if (width == 0)
		return network;
	if (network >> 56 == 0)
		return 0; /* of ::/8: not an IPv6 network of a client */
	return width == 1 ? NETWORK_56 | network >> 8 : NETWORK_48 | network >> 16;
}

static bool is_full(const struct limits *limits, uint64_t network, unsigned width, uint64_t more)
{
	uint64_t limit = limits->per_network * network_shares(width);
	return census_weigh(limits->census, network, limit) + more > limit;
}

static enum limits_verdict enter_width(struct limits *limits, uint64_t network, unsigned width)
{
	if (census_raise(limits->census, network) != STATUS_OK)
		return LIMITS_CONNECTIONS;
	if (!is_full(limits, network, width, 0))
		return LIMITS_ADMITTED;
	census_lower(limits->census, network);
	return LIMITS_ADDRESS;
}

static void leave_network(struct limits *limits, uint64_t network, unsigned widths)
{
	for (unsigned width = 0; width < widths; width++) {
		uint64_t wide = widen_network(network, width);
		if (wide)
			census_lower(limits->census, wide);
	}
}

static enum limits_verdict enter_network(struct limits *limits, uint64_t network)
{
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++) {
		uint64_t wide = widen_network(network, width);
		if (wide && is_full(limits, wide, width, 1))
			return LIMITS_ADDRESS;
	}
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++) {
		uint64_t wide = widen_network(network, width);
		enum limits_verdict verdict = wide ? enter_width(limits, wide, width) : LIMITS_ADMITTED;
		if (verdict == LIMITS_ADMITTED)
			continue;
		leave_network(limits, network, width);
		return verdict;
	}
	return LIMITS_ADMITTED;
}

static enum limits_verdict enter_node(struct limits *limits)
{
	census_raise_total(limits->census);
	if (census_weigh(limits->census, 0, limits->connections) <= limits->connections)
		return LIMITS_ADMITTED;
	census_lower_total(limits->census);
	return LIMITS_CONNECTIONS;
}

bool limits_have_memory(const struct limits *limits)
{
	return buf_memory() + tls_memory() + census_own_total(limits->census) * CONNECTION_MEMORY < limits->memory;
}

enum limits_verdict limits_enter(struct limits *limits, uint64_t network)
{
	if (!limits_have_memory(limits))
		return LIMITS_MEMORY;
	if (census_own_total(limits->census) >= limits->descriptors)
		return LIMITS_DESCRIPTORS;
	if (census_weigh(limits->census, 0, limits->connections) >= limits->connections)
		return LIMITS_CONNECTIONS;
	enum limits_verdict verdict = network ? enter_network(limits, network) : LIMITS_ADMITTED;
	if (verdict != LIMITS_ADMITTED)
		return verdict;
	verdict = enter_node(limits);
	if (verdict != LIMITS_ADMITTED && network)
		leave_network(limits, network, NETWORK_WIDTHS);
	return verdict;
}

void limits_leave(struct limits *limits, uint64_t network)
{
	census_lower_total(limits->census);
	if (network)
		leave_network(limits, network, NETWORK_WIDTHS);
}

/* ---- users */

/*
 * The same number in every gate. Two users with one number would share a limit: with 20,000 of them, once in a million
 * nodes.
 */
uint64_t limits_user_of(struct span name)
{
	uint64_t hash = fnv_hash_nocase(name);
	return USER_MARK | ((hash ^ (hash >> 48)) & USER_BITS);
}

bool limits_enter_user(struct limits *limits, uint64_t user, uint64_t sessions)
{
	if (census_weigh(limits->census, user, sessions) >= sessions || census_raise(limits->census, user) != STATUS_OK)
		return false;
	if (census_weigh(limits->census, user, sessions) <= sessions)
		return true;
	census_lower(limits->census, user);
	return false;
}

void limits_leave_user(struct limits *limits, uint64_t user)
{
	census_lower(limits->census, user);
}

/* ---- places */

enum status limits_hold_place(struct limits *limits, uint64_t network, struct limits_place **out_place)
{
	struct limits_place *place = malloc(sizeof(*place));
	if (place == NULL) {
		limits_leave(limits, network);
		return STATUS_NO_MEMORY;
	}
	place->limits = limits;
	place->network = network;
	TAILQ_INSERT_TAIL(&limits->places, place, in_limits);
	*out_place = place;
	return STATUS_OK;
}

void limits_give_up_place(void *given)
{
	struct limits_place *place = given;
	if (place->limits) {
		TAILQ_REMOVE(&place->limits->places, place, in_limits);
		limits_leave(place->limits, place->network);
	}
	free(place);
}
