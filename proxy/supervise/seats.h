/*
 * Seats: slabs of counters in shared memory, one for each process that counts.
 * A seat outlives who sits in it, so that no counter falls back; gauges go to 0
 * when it is left.
 */
#ifndef SUPERVISE_SEATS_H
#define SUPERVISE_SEATS_H

#include "stats/life.h"
#include "stats/stats.h"

struct seats;

/* Makes the memory; the supervisor's own seat is taken. STATUS_SYSTEM: errno. */
MUST_USE enum status seats_create(unsigned count, struct seats **out_seats);
/* At least so many from now on. Slabs in use stay where they are. */
MUST_USE enum status seats_grow(struct seats *seats, unsigned count);
unsigned seats_count(const struct seats *seats);
/* The memory of all, for stats_map; stays its owner's. */
int seats_fd(const struct seats *seats);
/* The supervisor's own slab. */
struct stats *seats_own(const struct seats *seats);

/*
 * A free one, without signs of life. Gates have seats of their own, as what one of them wrote there is never
 * believed to be another role's; a seat that changes sides forgets what it counted. STATUS_NOT_FOUND: none; STATUS_SYSTEM: errno.
 */
MUST_USE enum status seats_take(struct seats *seats, bool is_gate, unsigned *out_seat);
/* The signs of who sits there. */
const struct life *seats_life(const struct seats *seats, unsigned seat);
void seats_leave(struct seats *seats, unsigned seat);
void seats_free(struct seats **seats); /* NULL-safe; sets to NULL */

#endif
