/*
 * What the audit hears of clients that a limit keeps out before they are a session to it: connections over the limits,
 * and connections that reach one before TLS is up.
 *
 * A flood of them must flood neither the audit nor the relay door: there are at most so many records at once, and one a
 * second in the long run, and then one for each reason that says how many were left out. None is lost silently: what
 * can't be told now, for want of a relay, is in the next such record.
 */
#ifndef GATE_REFUSED_H
#define GATE_REFUSED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pace.h"
#include "base/span.h"
#include "net/loop.h"
#include "stats/stats.h"

struct gate;

#define REFUSED_RECORDS_AT_ONCE 10U /* of each gate */

struct refused {
	struct gate *gate;
	struct timer *timer;
	bool runs; /* the timer: something is left out */
	struct pace pace;
	uint64_t left_out[REFUSAL_COUNT];
};

MUST_USE enum status refused_begin(struct refused *refused, struct gate *gate);
/* Whether one more client that is no session yet may have records of another kind; then it counts as one of these. */
bool refused_may_tell(struct refused *refused);
/* One client of this address was refused; `listener` is the section's name. */
void refused_note(struct refused *refused, enum stats_refusal reason, struct span address, uint16_t port,
		  struct span listener);
/* Tells what is left out, at once. */
void refused_tell(struct refused *refused);
/* The same, as far as that is possible now; after it nothing may be noted. */
void refused_end(struct refused *refused);

#endif
