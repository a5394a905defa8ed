/* A slab's layout, and what counters.def says of each counter. Private to this room. */
#ifndef STATS_SLAB_H
#define STATS_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "stats/life.h"
#include "stats/stats.h"

enum stats_kind { STATS_KIND_COUNTER, STATS_KIND_GAUGE, STATS_KIND_HISTOGRAM, STATS_KIND_LONGEST };

struct stats_row {
	const char *name;
	enum stats_kind kind;
	const char *labels;
	const char *help;
};

extern const struct stats_row stats_rows[COUNTER_COUNT];

/* Only histograms have buckets: these are their numbers among themselves. */
enum stats_histogram {
#define SLOT_COUNTER(NUMBER)
#define SLOT_GAUGE(NUMBER)
#define SLOT_HISTOGRAM(NUMBER) HISTOGRAM_##NUMBER,
#define SLOT_LONGEST(NUMBER)
#define COUNTER(NUMBER, name, kind, labels, help) SLOT_##kind(NUMBER)
#include "stats/counters.def"
#undef COUNTER
#undef SLOT_COUNTER
#undef SLOT_GAUGE
#undef SLOT_HISTOGRAM
#undef SLOT_LONGEST
	HISTOGRAM_COUNT
};

/* Upper bounds of the buckets in milliseconds; the last, +Inf, has none. */
extern const uint64_t stats_bounds_ms[STATS_BUCKETS - 1];

struct stats_buckets {
	_Atomic uint64_t counts[STATS_BUCKETS]; /* each its own, not cumulated */
	_Atomic uint64_t sum_us;
};

struct life_thread {
	_Atomic uint64_t kind;
	_Atomic uint64_t until_ms; /* of the monotonic clock: its call should be over by then; 0: it is idle */
};

struct life {
	_Atomic uint64_t beats;
	_Atomic uint64_t ending; /* 1: its loop turns no more */
	_Atomic uint64_t thread_count;
	struct life_thread threads[LIFE_THREADS];
};

/* One process writes, others read: relaxed atomics suffice. All zero at first. */
struct stats {
	struct life life;
	_Atomic uint64_t values[COUNTER_COUNT][STATS_LABELS]; /* of LONGEST in microseconds */
	struct stats_buckets buckets[HISTOGRAM_COUNT][STATS_LABELS];
	_Atomic uint8_t gate_seats
		[STATS_SEATS]; /* in the first slab, the supervisor's: 1 if a gate has this seat, or had it last */
};

/* HISTOGRAM_COUNT: it is not a histogram. */
enum stats_histogram stats_histogram_of(enum stats_counter counter);
/* Slab number `seat`, counted from the first. */
const struct stats *stats_at(const struct stats *first, unsigned seat);
/*
 * Whether this seat is believed about it: a gate, which may be an attacker's, is believed only about what gates count.
 */
bool stats_has_word(const struct stats *first, unsigned seat, enum stats_counter counter, unsigned label);

#endif
