/*
 * Client addresses and the networks they are compared with: IPv4 and IPv6,
 * IPv4 mapped into IPv6 counted as IPv4. Pure.
 */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include "base/span.h"

#define NETWORK_TEXT_SIZE 64 /* bytes, the NUL included */

/* Addresses as 16 bytes, IPv4 as ::ffff:a.b.c.d, so that one comparison serves both. */
struct network {
	unsigned char address[16];
	unsigned bits; /* 0..128: how many of them count */
};

/* "192.0.2.0/24", "2001:db8::/32", or a single address. STATUS_INVALID, also when bits after the prefix are set. */
MUST_USE enum status network_parse(struct span text, struct network *out_network);
/* Whether the address in `text` belongs to it; false for what is no address. */
bool network_contains(const struct network *network, struct span address);
/*
 * The name that an address's failures are counted under: an IPv4 address, or the
 * /64 of an IPv6 one, as one customer holds a whole /64. What is no address stays
 * as it is, cut.
 */
void network_of_client(struct span address, char out_text[NETWORK_TEXT_SIZE]);

/* Around whom a login makes an address known: the /24 of an IPv4 address, the /64 of an IPv6 one; else as above. */
void network_of_home(struct span address, char out_text[NETWORK_TEXT_SIZE]);

/*
 * Whoever rents a server may get a /56 or a /48 of IPv6, and so any number of /64s. So what is
 * counted by network counts in three widths, and a wider network may have more, but not as
 * much more as it has /64s.
 */
#define NETWORK_WIDTHS 3U /* /64, /56 and /48; IPv4 has the first alone, its single address */

/* How many times what a /64 may have a network of this width may have. */
unsigned network_shares(unsigned width);
/* As network_of_client, for this width. False: there is no such network, and nothing is written. */
bool network_of_client_in(struct span address, unsigned width, char out_text[NETWORK_TEXT_SIZE]);

#endif
