/* What one gate sees in the census of its node. */
#ifndef TESTS_WITH_CENSUS_H
#define TESTS_WITH_CENSUS_H

#include "stats/census.h"

/*
 * What this gate counts, and what each other gate counts, up to this: of so small a limit no part is set apart.
 * `network` 0: the totals.
 */
#define CENSUS_SEEN_OF_EACH 3

static inline uint64_t census_seen(struct census *census, uint64_t network)
{
	return census_weigh(census, network, CENSUS_SEEN_OF_EACH);
}

#endif
