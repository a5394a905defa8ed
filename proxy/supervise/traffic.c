/* Owns a timer and the notes. */
#include "supervise/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct traffic {
	const struct seats *seats;
	struct timer *timer;
	struct traffic_notes notes;
};

/* ---- notes */

void traffic_note(struct traffic_notes *notes, uint64_t now_ms, const uint64_t counts[TRAFFIC_KINDS])
{
	if (notes->count == TRAFFIC_NOTES)
		memmove(&notes->items[0], &notes->items[1], sizeof(notes->items[0]) * --notes->count);
	notes->items[notes->count].at_ms = now_ms;
	memcpy(notes->items[notes->count++].counts, counts, sizeof(notes->items[0].counts));
}

void traffic_tell(const struct traffic_notes *notes, uint64_t now_ms, const uint64_t counts[TRAFFIC_KINDS],
		  struct traffic_part *out_part)
{
	size_t oldest = 0;
	*out_part = (struct traffic_part){ 0 };
	while (oldest < notes->count && now_ms - notes->items[oldest].at_ms > TRAFFIC_MINUTE_MS)
		oldest++;
	if (oldest == notes->count)
		return;
	out_part->ms = now_ms - notes->items[oldest].at_ms;
	for (size_t kind = 0; kind < TRAFFIC_KINDS; kind++) {
		uint64_t before = notes->items[oldest].counts[kind];
		out_part->counts[kind] = counts[kind] > before ? counts[kind] - before : 0;
	}
}

/* ---- counters */

static void read_counters(const struct seats *seats, uint64_t out_counts[TRAFFIC_KINDS])
{
	memset(out_counts, 0, TRAFFIC_KINDS * sizeof(out_counts[0]));
	for (unsigned label = 0; label < STATS_LABELS; label++) {
		unsigned result = label % STATS_SECOND_LABELS;
		if (result <= STATS_RESULT_UNKNOWN)
			out_counts[result] += seats_sum(seats, COUNTER_MESSAGES, label, SEATS_OTHERS);
	}
	for (unsigned reason = 0; reason < REFUSAL_COUNT; reason++)
		out_counts[TRAFFIC_TURNED_AWAY] += seats_sum(seats, COUNTER_REFUSED, reason, SEATS_ALL);
}

static void take_note(void *context)
{
	struct traffic *traffic = context;
	uint64_t counts[TRAFFIC_KINDS];
	read_counters(traffic->seats, counts);
	traffic_note(&traffic->notes, clock_monotonic_ms(), counts);
	timer_set(traffic->timer, TRAFFIC_STEP_MS);
}

void traffic_show(const struct traffic *traffic, struct traffic_part *out_part)
{
	uint64_t counts[TRAFFIC_KINDS];
	read_counters(traffic->seats, counts);
	traffic_tell(&traffic->notes, clock_monotonic_ms(), counts, out_part);
}

/* ---- life */

enum status traffic_begin(struct loop *loop, const struct seats *seats, struct traffic **out_traffic)
{
	struct traffic *traffic = calloc(1, sizeof(*traffic));
	if (traffic == NULL)
		return STATUS_NO_MEMORY;
	traffic->seats = seats;
	enum status status = timer_make(loop, take_note, traffic, &traffic->timer);
	if (status != STATUS_OK) {
		traffic_free(&traffic);
		return status;
	}
	timer_set(traffic->timer, 0);
	*out_traffic = traffic;
	return STATUS_OK;
}

void traffic_free(struct traffic **traffic)
{
	if (*traffic == NULL)
		return;
	timer_free(&(*traffic)->timer);
	free(*traffic);
	*traffic = NULL;
}
