/*
 * A hash map of things that embed their link. It owns its buckets only, and
 * grows with what it holds; how much that may be is for its owner. Hashes are
 * seeded for each map, so that a peer who picks keys can't pile them into one
 * bucket.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/span.h"

/* Embedded in its owner. Invariant: in at most one map. */
struct map_link {
	struct map_link *next;
	uint64_t hash;
};

/* Invariant: bucket_count is 0 or a power of two; count is the number of links in all buckets. */
struct map {
	struct map_link **buckets;
	size_t bucket_count;
	size_t count;
	uint64_t seed;
};

#define MAP_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/*
 * Holds no memory until the first link. STATUS_SYSTEM: no random bytes for the seed. A zeroed map will do where no
 * hash is made here, as all are keyed digests.
 */
MUST_USE enum status map_init(struct map *map);
/* Room for so many links at once, so that no map_add of theirs fails. STATUS_NO_MEMORY. */
MUST_USE enum status map_reserve(struct map *map, size_t count);
void map_free(struct map *map); /* the buckets; what is linked is its owners' */

uint64_t map_hash_number(const struct map *map, uint64_t number);
uint64_t map_hash_numbers(const struct map *map, uint64_t a, uint64_t b);
uint64_t map_hash_text(const struct map *map, struct span text);
uint64_t map_hash_text_nocase(const struct map *map, struct span text); /* ASCII case ignored */

/* STATUS_NO_MEMORY: only of a map without any bucket. The caller has made sure that the key is not there yet. */
MUST_USE enum status map_add(struct map *map, struct map_link *link, uint64_t hash);
void map_remove(struct map *map, struct map_link *link); /* which is in the map */
/* The first link of that hash, then the next one of the same; NULL. The caller compares keys. */
struct map_link *map_first(const struct map *map, uint64_t hash);
struct map_link *map_next(const struct map_link *link);

/* Every link once, in no order; `visit` may remove and free the one it is given, no other, and add none. */
void map_visit(struct map *map, void (*visit)(void *context, struct map_link *link), void *context);

#endif
