/*
 * What the audit hears of clients that a limit keeps out before they are a
 * session to it: connections over the limits, and connections that reach one before TLS is up.
 *
 * A flood of them must flood neither the audit nor the relay door: at most so many
 * records at once, and one a second in the long run, and then one a reason that says how many were left out. None is lost
 * silently: what can't be told now, as there is no relay, is in the next such record.
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
/* Whether one more may have records of another kind, made for who is no session yet; then it is counted as one. */
bool refused_may_tell(struct refused *refused);
/* One client of this address was refused; `listener` is the section's name. */
void refused_note(struct refused *refused, enum stats_refusal reason, struct span address, uint16_t port,
		  struct span listener);
/* Tells what is left out, at once. */
void refused_tell(struct refused *refused);
/* The same, as far as there is time for it; then nothing may be noted. */
void refused_end(struct refused *refused);

#endif
