/*
 * A hash map of things that embed their link. It owns the buckets only;
 * bounds are its owner's. Hashes come from keys that nobody outside can
 * choose collisions for: our own numbers, or keyed digests.
 */
#ifndef AUTH_MAP_H
#define AUTH_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Embedded in its owner. Invariant: in at most one map. */
struct map_link {
	struct map_link *next;
	uint64_t hash;
};

struct map {
	struct map_link **buckets; /* NULL iff bucket_count is 0 */
	size_t bucket_count;       /* a power of two */
	size_t count;
};

#define MAP_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Mixes a number, such as a request's, into a hash. */
uint64_t map_hash_number(uint64_t number);
/* Of a text that no stranger chooses (FNV-1a). */
uint64_t map_hash_text(const char *text);

MUST_USE enum status map_add(struct map *map, struct map_link *link, uint64_t hash);
/* The first link of that hash, then the next one of the same hash; NULL. The caller compares keys. */
struct map_link *map_first(const struct map *map, uint64_t hash);
struct map_link *map_next(const struct map_link *link);
void map_remove(struct map *map, struct map_link *link); /* it must be there */
void map_free(struct map *map);                          /* the buckets; the owners are freed before */

/* Every link once, in no order; `visit` may remove and free the one it is given, no other. */
void map_visit(struct map *map, void (*visit)(void *context, struct map_link *link), void *context);

#endif
