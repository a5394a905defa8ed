/* What is where in the memory of the census. Private to this room. */
#ifndef STATS_CENSUS_LAYOUT_H
#define STATS_CENSUS_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/census.h"

#define CENSUS_PAGE 65536U /* bytes that tables are aligned to: no system has larger pages */
#define CENSUS_ORDER_LEAST 9U
#define CENSUS_ORDER_MOST 24U /* a table for what 1,000,000 connections count for: 256 MiB, taken as it is used */
#define CENSUS_ORDER_FIRST 8U /* of the slots in use at first: a page full */

/*
 * A network without connections keeps its slot, with a count of 0, while one that came later may be after it: a search
 * must go on over it.
 */
struct census_slot {
	_Atomic uint64_t network; /* 0: nothing was ever here, or after this */
	_Atomic uint64_t count;
};

/*
 * Slots are in use in ranges, one at a time, each twice as large as the one before it and right after it: few counts
 * touch few pages. What is in a range before the present one is of no use any more.
 */
struct census_table {
	_Atomic uint64_t total;
	_Atomic uint64_t growth; /* ranges before the present one */
	char padding[48];        /* a cache line of its own */
	struct census_slot slots[];
};

/* A place's word: 0 if it is not open, else the table's page << 8 | the binary logarithm of its slots. */
struct census_head {
	uint64_t seeds[2];
	_Atomic uint64_t size;   /* of all the memory, bytes */
	_Atomic uint64_t places; /* those from here on were never open */
	_Atomic uint64_t words[CENSUS_PLACES];
};

static inline size_t census_table_at(uint64_t word)
{
	return (size_t)(word >> 8) * CENSUS_PAGE;
}

static inline size_t census_slots(uint64_t word)
{
	return (size_t)1 << (word & 0xffU);
}

/* The range of slots in use, whatever the table says: its first slot, and how many there are, a power of two. */
struct census_range {
	size_t first, slots;
};

static inline struct census_range census_range_at(uint64_t word, uint64_t growth)
{
	uint64_t most = (word & 0xffU) - CENSUS_ORDER_FIRST - 1;
	size_t slots = (size_t)1 << (CENSUS_ORDER_FIRST + (growth < most ? growth : most));
	return (struct census_range){ slots - ((size_t)1 << CENSUS_ORDER_FIRST), slots };
}

/* In whole pages. */
static inline size_t census_table_size(uint64_t word)
{
	size_t size = sizeof(struct census_table) + census_slots(word) * sizeof(struct census_slot);
	return (size + CENSUS_PAGE - 1) / CENSUS_PAGE * CENSUS_PAGE;
}

#endif
