/*
 * Slabs of counters in shared memory. A slab is a multiple of the page size, so that each process maps only its own.
 * Adding never fails and never waits.
 */
#include "stats/stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stats/slab.h"

const struct stats_row stats_rows[COUNTER_COUNT] = {
#define COUNTER(NUMBER, name, kind, labels, help) { name, STATS_KIND_##kind, labels, help },
#include "stats/counters.def"
#undef COUNTER
};

const uint64_t stats_bounds_ms[STATS_BUCKETS - 1] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000 };

enum stats_histogram stats_histogram_of(enum stats_counter counter)
{
	static const enum stats_histogram slots[COUNTER_COUNT] = {
#define SLOT_COUNTER(NUMBER) HISTOGRAM_COUNT
#define SLOT_GAUGE(NUMBER) HISTOGRAM_COUNT
#define SLOT_HISTOGRAM(NUMBER) HISTOGRAM_##NUMBER
#define SLOT_LONGEST(NUMBER) HISTOGRAM_COUNT
#define COUNTER(NUMBER, name, kind, labels, help) SLOT_##kind(NUMBER),
#include "stats/counters.def"
#undef COUNTER
#undef SLOT_COUNTER
#undef SLOT_GAUGE
#undef SLOT_HISTOGRAM
#undef SLOT_LONGEST
	};
	return slots[counter];
}

const char *stats_refusal_text(enum stats_refusal refusal)
{
#define REFUSAL_TEXT(NUMBER, text) [REFUSAL_##NUMBER] = text,
	static const char *const texts[REFUSAL_COUNT] = { "other", STATS_REFUSALS(REFUSAL_TEXT) };
#undef REFUSAL_TEXT
	return refusal < REFUSAL_COUNT ? texts[refusal] : texts[REFUSAL_OTHER];
}

/* ---- memory */

static size_t slab_size(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (sizeof(struct stats) + page - 1) / page * page;
}

size_t stats_memory_size(unsigned seats)
{
	return slab_size() * seats;
}

const struct stats *stats_at(const struct stats *first, unsigned seat)
{
	return (const struct stats *)((const char *)first + slab_size() * seat);
}

void stats_clear_gauges(struct stats *stats)
{
	for (unsigned counter = 0; counter < COUNTER_COUNT; counter++) {
		if (stats_rows[counter].kind != STATS_KIND_GAUGE && stats_rows[counter].kind != STATS_KIND_LONGEST)
			continue;
		for (unsigned label = 0; label < STATS_LABELS; label++)
			atomic_store_explicit(&stats->values[counter][label], 0, memory_order_relaxed);
	}
}

void stats_clear(struct stats *stats)
{
	for (unsigned counter = 0; counter < COUNTER_COUNT; counter++)
		for (unsigned label = 0; label < STATS_LABELS; label++)
			atomic_store_explicit(&stats->values[counter][label], 0, memory_order_relaxed);
	memset(stats->buckets, 0, sizeof(stats->buckets));
}

/* ---- who is believed */

void stats_mark_seat(struct stats *supervisor, unsigned seat, bool is_gate)
{
	if (seat < STATS_SEATS)
		atomic_store_explicit(&supervisor->gate_seats[seat], is_gate, memory_order_relaxed);
}

/* Of role=supervisor|gate|…: those that strangers talk to. */
#define GATE_LABEL 1U
#define CONSOLE_LABEL 5U

static bool is_gates(enum stats_counter counter, unsigned label)
{
	switch ((int)counter) {
	case COUNTER_CONNECTIONS:
	case COUNTER_SESSIONS:
	case COUNTER_REFUSED:
	case COUNTER_TLS_FAILURES:
	case COUNTER_LOG_DROPPED:
		return true;
	case COUNTER_LOOP_TURN:
	case COUNTER_LOOP_TURN_LONGEST:
		return label == GATE_LABEL || label == CONSOLE_LABEL;
	default:
		return false;
	}
}

bool stats_has_word(const struct stats *first, unsigned seat, enum stats_counter counter, unsigned label)
{
	return seat >= STATS_SEATS || !atomic_load_explicit(&first->gate_seats[seat], memory_order_relaxed) ||
	       is_gates(counter, label);
}

enum status stats_map(int fd, unsigned seat, struct stats **out_stats)
{
	off_t at = (off_t)(slab_size() * seat);
	void *memory = mmap(NULL, slab_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
	if (memory == MAP_FAILED)
		return STATUS_SYSTEM;
	stats_clear_gauges(memory); /* the former process took its sessions and connections along */
	*out_stats = memory;
	return STATUS_OK;
}

enum status stats_map_all(int fd, unsigned seats, const struct stats **out_first)
{
	void *memory = mmap(NULL, stats_memory_size(seats), PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return STATUS_SYSTEM;
	*out_first = memory;
	return STATUS_OK;
}

enum status stats_create_private(struct stats **out_stats)
{
	struct stats *stats = calloc(1, slab_size());
	if (!stats)
		return STATUS_NO_MEMORY;
	*out_stats = stats;
	return STATUS_OK;
}

void stats_free_private(struct stats **stats)
{
	free(*stats);
	*stats = NULL;
}

/* ---- counting */

/* If there are too many sections, the last ones count as one; the second label of a pair is never lost. */
static unsigned cap_label(enum stats_counter counter, unsigned label)
{
	if (label < STATS_LABELS)
		return label;
	if (!strchr(stats_rows[counter].labels, ','))
		return STATS_LABELS - 1;
	return STATS_LABELS - STATS_SECOND_LABELS + label % STATS_SECOND_LABELS;
}

void stats_add(struct stats *stats, enum stats_counter counter, unsigned label, uint64_t n)
{
	assert(stats_rows[counter].kind != STATS_KIND_HISTOGRAM);
	atomic_fetch_add_explicit(&stats->values[counter][cap_label(counter, label)], n, memory_order_relaxed);
}

void stats_count_log_dropped(void *stats)
{
	stats_add(stats, COUNTER_LOG_DROPPED, 0, 1);
}

void stats_set(struct stats *stats, enum stats_counter gauge, unsigned label, uint64_t value)
{
	assert(stats_rows[gauge].kind == STATS_KIND_GAUGE);
	atomic_store_explicit(&stats->values[gauge][cap_label(gauge, label)], value, memory_order_relaxed);
}

void stats_observe_ms(struct stats *stats, enum stats_counter histogram, unsigned label, uint64_t duration_ms)
{
	stats_observe_us(stats, histogram, label, duration_ms * 1000);
}

void stats_observe_us(struct stats *stats, enum stats_counter histogram, unsigned label, uint64_t duration_us)
{
	assert(stats_rows[histogram].kind == STATS_KIND_HISTOGRAM);
	struct stats_buckets *buckets = &stats->buckets[stats_histogram_of(histogram)][cap_label(histogram, label)];
	unsigned i = 0;
	while (i < STATS_BUCKETS - 1 && duration_us > stats_bounds_ms[i] * 1000)
		i++;
	atomic_fetch_add_explicit(&buckets->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&buckets->sum_us, duration_us, memory_order_relaxed);
}

/* Nobody else writes it, so no exchange is needed. */
void stats_note_longest_us(struct stats *stats, enum stats_counter longest, unsigned label, uint64_t duration_us)
{
	assert(stats_rows[longest].kind == STATS_KIND_LONGEST);
	_Atomic uint64_t *value = &stats->values[longest][cap_label(longest, label)];
	if (duration_us > atomic_load_explicit(value, memory_order_relaxed))
		atomic_store_explicit(value, duration_us, memory_order_relaxed);
}

uint64_t stats_sum(const struct stats *first, unsigned seats, enum stats_counter counter, unsigned label)
{
	uint64_t sum = 0;
	for (unsigned seat = 0; seat < seats; seat++)
		if (stats_has_word(first, seat, counter, label))
			sum += atomic_load_explicit(&stats_at(first, seat)->values[counter][cap_label(counter, label)],
						    memory_order_relaxed);
	return sum;
}

uint64_t stats_longest_us(const struct stats *first, unsigned seats, enum stats_counter longest, unsigned label)
{
	uint64_t found = 0;
	for (unsigned seat = 0; seat < seats; seat++) {
		if (!stats_has_word(first, seat, longest, label))
			continue;
		uint64_t value = atomic_load_explicit(
			&stats_at(first, seat)->values[longest][cap_label(longest, label)], memory_order_relaxed);
		found = value > found ? value : found;
	}
	return found;
}
