/*
 * What the audit hears of clients that set up TLS and left without a word of AUTH: how many there were, by network and
 * minute, and not a record for each, so that nobody without a password can fill the disk. A limited number of networks
 * a minute are named; one more record stands for all others.
 *
 * Every session is told of exactly once: by its session.open and session.close, as refused (gate/refused.h), or in one
 * of these counts. What can't be told now, for want of a relay, is told later.
 */
#ifndef GATE_ANONYMOUS_H
#define GATE_ANONYMOUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/network.h"
#include "net/loop.h"

struct gate;

#define ANONYMOUS_NETWORKS 60U  /* named in one minute; a gate's records of them are 20 MB a day at most */
#define ANONYMOUS_MINUTE 60000U /* ms from the first session of a count to its record */

struct anonymous_row {
	char network[NETWORK_TEXT_SIZE]; /* an IPv4 address, or the /64 of an IPv6 one */
	uint64_t count;
};

struct anonymous {
	struct gate *gate;
	struct timer *timer;
	bool runs; /* the timer: something is to be told */
	struct anonymous_row rows[ANONYMOUS_NETWORKS];
	unsigned row_count;
	uint64_t others; /* of networks that have no row */
};

MUST_USE enum status anonymous_begin(struct anonymous *anonymous, struct gate *gate);
/* One client of this address is gone. */
void anonymous_note(struct anonymous *anonymous, struct span address);
/* Tells what is counted, at once. */
void anonymous_tell(struct anonymous *anonymous);
/* Then nothing may be noted. Safe on a zeroed one. */
void anonymous_end(struct anonymous *anonymous);

#endif
