/*
 * The memory of the counters, and its use. Owns the memfd and a mapping for each seat, made when the seat is first
 * taken (stats.h: mappings live until exit).
 */
#include "supervise/seats.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum seat_side { SEAT_NEW, SEAT_GATES, SEAT_OTHERS };

struct seat {
	struct stats *slab;  /* or NULL: not mapped here yet */
	enum seat_side side; /* of the process that sits there, or sat last */
	bool taken;
};

struct seats {
	int fd;
	struct seat *items;
	unsigned count;
};

enum status seats_grow(struct seats *seats, unsigned count)
{
	if (count <= seats->count)
		return STATUS_OK;
	struct seat *items = realloc(seats->items, count * sizeof(*items));
	if (items == NULL)
		return STATUS_NO_MEMORY;
	seats->items = items;
	if (ftruncate(seats->fd, (off_t)stats_memory_size(count)) < 0)
		return STATUS_SYSTEM;
	for (unsigned i = seats->count; i < count; i++)
		items[i] = (struct seat){ 0 };
	seats->count = count;
	return STATUS_OK;
}

static enum status prepare_memory(struct seats *seats, unsigned count)
{
	if (seats->fd < 0)
		return STATUS_SYSTEM;
	TRY(seats_grow(seats, count));
	seats->items[SUPERVISOR_SEAT].taken = true;
	return stats_map(seats->fd, SUPERVISOR_SEAT, &seats->items[SUPERVISOR_SEAT].slab);
}

enum status seats_create(unsigned count, struct seats **out_seats)
{
	struct seats *seats = calloc(1, sizeof(*seats));
	if (seats == NULL)
		return STATUS_NO_MEMORY;
	seats->fd = memfd_create("stats", MFD_CLOEXEC);
	enum status status = prepare_memory(seats, count);
	if (status == STATUS_OK)
		*out_seats = seats;
	else
		seats_free(&seats);
	return status;
}

unsigned seats_count(const struct seats *seats)
{
	return seats->count;
}

int seats_fd(const struct seats *seats)
{
	return seats->fd;
}

struct stats *seats_own(const struct seats *seats)
{
	return seats->items[SUPERVISOR_SEAT].slab;
}

/* A free seat of this side, or one that nobody had, or any. */
static unsigned find_free(const struct seats *seats, enum seat_side side)
{
	unsigned best = seats->count;
	for (unsigned i = 0; i < seats->count; i++) {
		const struct seat *item = &seats->items[i];
		if (item->taken)
			continue;
		if (item->side == side)
			return i;
		if (best == seats->count || (item->side == SEAT_NEW && seats->items[best].side != SEAT_NEW))
			best = i;
	}
	return best;
}

enum status seats_take(struct seats *seats, bool is_gate, unsigned *out_seat)
{
	enum seat_side side = is_gate ? SEAT_GATES : SEAT_OTHERS;
	unsigned i = find_free(seats, side);
	if (i == seats->count)
		return STATUS_NOT_FOUND;
	struct seat *item = &seats->items[i];
	if (item->slab == NULL)
		TRY(stats_map(seats->fd, i, &item->slab));
	if (item->side != side && item->side != SEAT_NEW)
		stats_clear(item->slab);
	item->side = side;
	stats_mark_seat(seats_own(seats), i, is_gate);
	life_clear(stats_life(item->slab));
	item->taken = true;
	*out_seat = i;
	return STATUS_OK;
}

const struct life *seats_life(const struct seats *seats, unsigned seat)
{
	return stats_life(seats->items[seat].slab);
}

uint64_t seats_gauge(const struct seats *seats, unsigned seat, enum stats_counter gauge)
{
	return seats_labelled_gauge(seats, seat, gauge, 0);
}

uint64_t seats_labelled_gauge(const struct seats *seats, unsigned seat, enum stats_counter gauge, unsigned label)
{
	return stats_sum(seats->items[seat].slab, 1, gauge, label);
}

/* What a gate says of itself: one that is an attacker's may say anything, and no sum of it is to overflow. */
static uint64_t bound_word(const struct seat *seat, uint64_t value)
{
	return seat->side == SEAT_GATES && value > SEATS_GATE_MAXIMUM ? SEATS_GATE_MAXIMUM : value;
}

uint64_t seats_sum(const struct seats *seats, enum stats_counter counter, unsigned label, enum seats_whose whose)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < seats->count; i++)
		if (seats->items[i].slab && (whose == SEATS_ALL || seats->items[i].side != SEAT_GATES))
			sum += bound_word(&seats->items[i], seats_labelled_gauge(seats, i, counter, label));
	return sum;
}

void seats_leave(struct seats *seats, unsigned seat)
{
	struct seat *item = &seats->items[seat];
	item->taken = false;
	stats_clear_gauges(item->slab); /* a dead process has no sessions */
}

void seats_free(struct seats **seats)
{
	struct seats *s = *seats;
	if (s == NULL)
		return;
	*seats = NULL;
	if (s->fd >= 0)
		close(s->fd);
	free(s->items);
	free(s);
}
