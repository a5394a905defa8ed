/*
 * Seats: slabs of counters in shared memory, one for each process that counts. A seat outlives the process that sits in
 * it, so that no counter falls back. Gauges go to 0 when it is left.
 */
#ifndef SUPERVISE_SEATS_H
#define SUPERVISE_SEATS_H

#include "stats/life.h"
#include "stats/stats.h"

/* More than any gate counts: 2^40. */
#define SEATS_GATE_MAXIMUM (UINT64_C(1) << 40)

struct seats;

/* Makes the memory; the supervisor's own seat is taken. STATUS_SYSTEM: errno. */
MUST_USE enum status seats_create(unsigned count, struct seats **out_seats);
/* At least this many from now on. Slabs in use stay where they are. */
MUST_USE enum status seats_grow(struct seats *seats, unsigned count);
unsigned seats_count(const struct seats *seats);
/* The memory of all seats, for stats_map. It stays theirs. */
int seats_fd(const struct seats *seats);
/* The supervisor's own slab. */
struct stats *seats_own(const struct seats *seats);

/*
 * Takes a free one, without signs of life. Gates have seats of their own, as what a gate wrote there must never count
 * as another role's. A seat that changes sides forgets what it counted. STATUS_NOT_FOUND: there is none; STATUS_SYSTEM:
 * errno.
 */
MUST_USE enum status seats_take(struct seats *seats, bool is_gate, unsigned *out_seat);
/* The signs of life of the process that sits there. */
const struct life *seats_life(const struct seats *seats, unsigned seat);
/* A gauge without labels, as the process that sits there has set it. */
uint64_t seats_gauge(const struct seats *seats, unsigned seat, enum stats_counter gauge);
/* The same of one with labels. */
uint64_t seats_labelled_gauge(const struct seats *seats, unsigned seat, enum stats_counter gauge, unsigned label);
/*
 * Of a counter or gauge, whose values all processes together have counted; a gate's word counts for nothing else's, and
 * for no more than SEATS_GATE_MAXIMUM.
 */
enum seats_whose { SEATS_ALL, SEATS_OTHERS /* than gates */ };
uint64_t seats_sum(const struct seats *seats, enum stats_counter counter, unsigned label, enum seats_whose whose);
void seats_leave(struct seats *seats, unsigned seat);
void seats_free(struct seats **seats); /* NULL-safe; sets to NULL */

#endif
