/*
 * The census as a gate sees it: its own table, and all others' for reading. Owns its mappings and the descriptor for
 * reading, with which the view follows the memory when it grows.
 *
 * All loads and stores are sequentially consistent, so that of two gates that count at once, at least one sees the
 * other.
 */
#include "stats/census.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stats/census_layout.h"

#define APART 4U                   /* one such part of a limit is divided among the gates */
#define STEPS_MAXIMUM 512U         /* slots looked at in one search */
#define COUNT_MAXIMUM (1ULL << 32) /* what another table adds at most, unless a limit says less: sums can't overflow */

struct census {
	int reading_fd;
	unsigned place;
	struct census_table *own;
	uint64_t own_word;
	struct census_range range; /* of its own slots in use */
	size_t taken;              /* of these, slots that name a network */
	const struct census_head *head;
	const char *view; /* all of the memory, the head once more; its size when it was mapped */
	size_t view_size;
};

/* ---- mapping */

static enum status map_for_reading(const struct census *census, size_t size, const void **out_memory)
{
	void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, census->reading_fd, 0);
	if (memory == MAP_FAILED)
		return STATUS_SYSTEM;
	*out_memory = memory;
	return STATUS_OK;
}

/* In the sandbox too: the descriptor is there, and mapping is allowed. */
static enum status map_view(struct census *census)
{
	const void *view;
	size_t size = census->head->size;
	TRY(map_for_reading(census, size, &view));
	if (census->view)
		munmap((void *)census->view, census->view_size);
	census->view = view;
	census->view_size = size;
	return STATUS_OK;
}

static enum status map_head(struct census *census)
{
	const void *head;
	TRY(map_for_reading(census, sizeof(*census->head), &head));
	census->head = head;
	return STATUS_OK;
}

static enum status map_own(struct census *census, int fd)
{
	uint64_t word = census->place < CENSUS_PLACES ? census->head->words[census->place] : 0;
	if (word == 0)
		return STATUS_INVALID;
	void *own = mmap(NULL, census_table_size(word), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)census_table_at(word));
	if (own == MAP_FAILED)
		return STATUS_SYSTEM;
	census->own = own;
	census->own_word = word;
	census->range = census_range_at(word, 0);
	return STATUS_OK;
}

static enum status map_all(struct census *census, int fd)
{
	TRY(map_head(census));
	TRY(map_view(census));
	return map_own(census, fd);
}

enum status census_join(int fd, int reading_fd, unsigned place, struct census **out_census)
{
	struct census *census = calloc(1, sizeof(*census));
	enum status status = STATUS_NO_MEMORY;
	if (census) {
		census->reading_fd = reading_fd;
		census->place = place;
		status = map_all(census, fd);
	} else {
		close(reading_fd);
	}
	close(fd);
	if (status == STATUS_OK)
		*out_census = census;
	else
		census_leave(&census);
	return status;
}

void census_leave(struct census **census)
{
	struct census *c = *census;
	if (c == NULL)
		return;
	*census = NULL;
	if (c->own)
		munmap(c->own, census_table_size(c->own_word));
	if (c->head)
		munmap((void *)c->head, sizeof(*c->head));
	if (c->view)
		munmap((void *)c->view, c->view_size);
	close(c->reading_fd);
	free(c);
}

/* ---- tables of others */

/* NULL: nobody is there. A table after the end of the view makes a new view; one that can't be seen counts as full. */
static enum status find_table(struct census *census, unsigned place, const struct census_table **out_table,
			      uint64_t *out_word)
{
	uint64_t word = census->head->words[place];
	*out_table = NULL;
	*out_word = word;
	if (word == 0 || place == census->place)
		return STATUS_OK;
	if (census_table_at(word) + census_table_size(word) > census->view_size)
		TRY(map_view(census));
	*out_table = (const struct census_table *)(census->view + census_table_at(word));
	return STATUS_OK;
}

static uint64_t clamp_count(uint64_t count, uint64_t least, uint64_t most)
{
	if (count < least)
		return least;
	return count < most ? count : most;
}

static size_t start_of(const struct census *census, uint64_t network)
{
	uint64_t hash = (network ^ census->head->seeds[0]) * (census->head->seeds[1] | 1);
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93U;
	return (size_t)(hash ^ (hash >> 32));
}

static uint64_t count_in(const struct census *census, const struct census_table *table, uint64_t word, uint64_t network)
{
	struct census_range range = census_range_at(word, table->growth);
	size_t mask = range.slots - 1;
	size_t at = start_of(census, network);
	for (size_t step = 0; step < STEPS_MAXIMUM && step <= mask; step++, at++) {
		const struct census_slot *slot = &table->slots[range.first + (at & mask)];
		uint64_t there = slot->network;
		if (there == network)
			return slot->count;
		if (there == 0)
			return 0;
	}
	return 0;
}

static uint64_t count_own(struct census *c, uint64_t network)
{
	return network ? count_in(c, c->own, c->own_word, network) : c->own->total;
}

/* `network` 0: the totals. Each other table adds `least` to `most`. */
static uint64_t add_up(struct census *c, uint64_t network, uint64_t least, uint64_t most)
{
	const struct census_table *table;
	uint64_t word;
	uint64_t sum = count_own(c, network);
	uint64_t places = c->head->places;
	for (unsigned place = 0; place < places; place++) {
		if (find_table(c, place, &table, &word) != STATUS_OK)
			return COUNT_MAXIMUM;
		if (table)
			sum += clamp_count(network ? count_in(c, table, word, network) : table->total, least, most);
	}
	return sum;
}

static uint64_t count_gates(const struct census *census)
{
	uint64_t places = census->head->places, gates = 0;
	for (uint64_t place = 0; place < places; place++)
		gates += census->head->words[place] != 0;
	return gates ? gates : 1;
}

uint64_t census_weigh(struct census *census, uint64_t network, uint64_t limit)
{
	uint64_t part = limit / APART / count_gates(census);
	uint64_t own = count_own(census, network);
	if (part && own <= part)
		return own;
	return add_up(census, network, part, clamp_count(limit, part, COUNT_MAXIMUM));
}

/* ---- its own */

uint64_t census_own_total(const struct census *census)
{
	return census->own->total;
}

void census_raise_total(struct census *census)
{
	census->own->total++;
}

void census_lower_total(struct census *census)
{
	assert(census->own->total > 0);
	census->own->total--;
}

static struct census_slot *slot_at(const struct census *census, size_t at)
{
	return &census->own->slots[census->range.first + (at & (census->range.slots - 1))];
}

/* The network's slot; else the first that is free, or NULL. */
static struct census_slot *find_slot(const struct census *census, uint64_t network)
{
	size_t at = start_of(census, network);
	struct census_slot *free_slot = NULL;
	for (size_t step = 0; step < STEPS_MAXIMUM && step < census->range.slots; step++, at++) {
		struct census_slot *slot = slot_at(census, at);
		if (slot->network == network)
			return slot;
		if (free_slot == NULL && slot->count == 0)
			free_slot = slot;
		if (slot->network == 0)
			break;
	}
	return free_slot;
}

static void take_slot(struct census *census, struct census_slot *slot, uint64_t network)
{
	census->taken += slot->network == 0;
	slot->network = network;
}

/* False: one of them has no room there. */
static bool copy_counts(struct census *wider, const struct census *narrow)
{
	for (size_t i = 0; i < narrow->range.slots; i++) {
		const struct census_slot *from = slot_at(narrow, i);
		if (from->count == 0)
			continue;
		struct census_slot *to = find_slot(wider, from->network);
		if (to == NULL)
			return false;
		take_slot(wider, to, from->network);
		to->count = from->count;
	}
	return true;
}

static void empty_range(struct census *census)
{
	for (size_t i = 0; i < census->range.slots; i++) {
		slot_at(census, i)->count = 0;
		slot_at(census, i)->network = 0;
	}
}

/*
 * Into the next range, with all counts. What this gate counts from then on is there alone: another that still looks
 * into the former one has counted before, and this gate will see that.
 */
static void grow_range(struct census *census)
{
	uint64_t growth = census->own->growth + 1;
	struct census wider = *census;
	wider.range = census_range_at(census->own_word, growth);
	wider.taken = 0;
	if (wider.range.slots == census->range.slots)
		return;
	if (!copy_counts(&wider, census)) {
		empty_range(&wider);
		return;
	}
	*census = wider;
	census->own->growth = growth;
}

enum status census_raise(struct census *census, uint64_t network)
{
	assert(network != 0);
	if (2 * census->taken >= census->range.slots)
		grow_range(census);
	struct census_slot *slot = find_slot(census, network);
	if (slot == NULL)
		return STATUS_NO_MEMORY;
	take_slot(census, slot, network);
	slot->count++;
	return STATUS_OK;
}

/* Nothing was ever put after this slot, so it, and those before it that count nothing, can be as new. */
static void clear_slots(struct census *census, size_t at)
{
	if (slot_at(census, at + 1)->network != 0)
		return;
	for (size_t step = 0; step < STEPS_MAXIMUM && step < census->range.slots; step++, at--) {
		struct census_slot *slot = slot_at(census, at);
		if (slot->network == 0 || slot->count > 0)
			return;
		slot->network = 0;
		census->taken--;
	}
}

void census_lower(struct census *census, uint64_t network)
{
	struct census_slot *slot = find_slot(census, network);
	assert(slot && slot->network == network && slot->count > 0);
	slot->count--;
	if (slot->count == 0)
		clear_slots(census, (size_t)(slot - &census->own->slots[census->range.first]));
}
