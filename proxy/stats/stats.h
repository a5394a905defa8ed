/*
 * Counters, declared once in counters.def and kept in slabs of shared memory. Each process has a slab, which only it
 * writes, and the admin role reads them all. A slab belongs to a seat (gate 1, gate 2, auth, relay, admin) and outlives
 * the processes that have that seat, so that counters never fall back.
 */
#ifndef STATS_STATS_H
#define STATS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"
#include "stats/refusals.h"

#define SUPERVISOR_SEAT 0     /* the supervisor's own */
#define STATS_LABELS 256      /* values of a counter's label, at most; later ones share the last */
#define STATS_SECOND_LABELS 8 /* values of a second label, at most: leaves 32 relays with a label of their own */
#define STATS_SEATS 4096      /* of which gates' are told apart; as many as in the census */
#define STATS_BUCKETS 12      /* of a histogram, the last is +Inf */

enum stats_counter {
#define COUNTER(NUMBER, name, kind, labels, help) COUNTER_##NUMBER,
#include "stats/counters.def"
#undef COUNTER
	COUNTER_COUNT
};

/* Values of fixed labels; relay and listener labels are the sections' order in the config. */
enum stats_result { STATS_RESULT_OK, STATS_RESULT_REFUSED, STATS_RESULT_FAILED, STATS_RESULT_UNKNOWN };
enum stats_method {
	STATS_METHOD_NONE,
	STATS_METHOD_LDAP,
	STATS_METHOD_APP_PASSWORD,
	STATS_METHOD_CERTIFICATE,
	STATS_METHOD_TOKEN,
	STATS_METHOD_OIDC
};

struct stats;

/* The size of one slab, and of the memory for `seats` of them. */
size_t stats_memory_size(unsigned seats);
/*
 * Maps seat number `seat` of the shared memory `fd` (of that size), writable; its gauges begin at 0. The mapping lives
 * until exit. STATUS_SYSTEM.
 */
MUST_USE enum status stats_map(int fd, unsigned seat, struct stats **out_stats);
/* Maps all seats for reading, until exit. STATUS_SYSTEM. */
MUST_USE enum status stats_map_all(int fd, unsigned seats, const struct stats **out_first);
/* Notes in the supervisor's own slab whether a gate takes this seat, or another role. */
void stats_mark_seat(struct stats *supervisor, unsigned seat, bool is_gate);
/* Forgets everything that was counted. */
void stats_clear(struct stats *stats);
/* A slab of its own, in private memory: for tests. */
MUST_USE enum status stats_create_private(struct stats **out_stats);
void stats_free_private(struct stats **stats);

/* `label` is the label's index (two labels: first * 8 + second); 0 where there is none. */
void stats_add(struct stats *stats, enum stats_counter counter, unsigned label, uint64_t n);
/* For log_on_dropped, with the process's own slab as the context. */
void stats_count_log_dropped(void *stats);
void stats_set(struct stats *stats, enum stats_counter gauge, unsigned label, uint64_t value);
void stats_observe_ms(struct stats *stats, enum stats_counter histogram, unsigned label, uint64_t duration_ms);
void stats_observe_us(struct stats *stats, enum stats_counter histogram, unsigned label, uint64_t duration_us);
/* Keeps the duration if it is the longest so far. */
void stats_note_longest_us(struct stats *stats, enum stats_counter longest, unsigned label, uint64_t duration_us);
uint64_t stats_sum(const struct stats *first, unsigned seats, enum stats_counter counter, unsigned label);
/* In microseconds. */
uint64_t stats_longest_us(const struct stats *first, unsigned seats, enum stats_counter longest, unsigned label);
/* Forgets what the process had that is gone: gauges and longest durations go to 0. */
void stats_clear_gauges(struct stats *stats);

/* All counters of all seats, summed, in Prometheus' text format 0.0.4. */
void stats_write(const struct stats *first, unsigned seats, const struct config *config, FILE *out);

#endif
