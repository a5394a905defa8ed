/*
 * How many connections come from one network: an IPv4 address, or the /64 of an IPv6 one, and /56 and /48 with larger
 * shares, as one customer may hold any number of /64s. Pure.
 */
#ifndef CONSOLE_CROWD_H
#define CONSOLE_CROWD_H

#include "base/network.h"

/* A connection among the others; embedded in its owner. Zeroed: it stands in no crowd. */
struct guest {
	struct guest *next, **at;
	char networks[NETWORK_WIDTHS][NETWORK_TEXT_SIZE]; /* "": none of that width */
};

/* Zeroed: nobody. */
struct crowd {
	struct guest *first;
};

/* Whether each of the address's networks has fewer than its share, of `maximum` for the narrowest. */
bool crowd_has_room(const struct crowd *crowd, struct span address, unsigned maximum);
void crowd_add(struct crowd *crowd, struct guest *guest, struct span address);
void crowd_remove(struct guest *guest); /* safe on one that stands in none */

#endif
