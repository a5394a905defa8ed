/* The hash map: chained. Owns the array of buckets; doubling it may fail, and then chains just get longer. */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/ascii.h"

#define BUCKETS_LEAST 64

enum status map_init(struct map *map)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return STATUS_SYSTEM;
	*map = (struct map){ .seed = seed };
	return STATUS_OK;
}

void map_free(struct map *map)
{
	free(map->buckets);
	*map = (struct map){ .seed = map->seed };
}

/* The finalizer of splitmix64: every bit of the input reaches every bit of the output. */
static uint64_t mix_bits(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	return x ^ (x >> 31);
}

uint64_t map_hash_numbers(const struct map *map, uint64_t a, uint64_t b)
{
	return mix_bits(mix_bits(a ^ map->seed) + b);
}

uint64_t map_hash_number(const struct map *map, uint64_t number)
{
	return map_hash_numbers(map, number, 0);
}

uint64_t map_hash_text(const struct map *map, struct span text)
{
	uint64_t hash = map->seed;
	for (size_t i = 0; i < text.size; i++)
		hash = mix_bits(hash + (unsigned char)text.data[i] + 1);
	return hash;
}

uint64_t map_hash_text_nocase(const struct map *map, struct span text)
{
	uint64_t hash = map->seed;
	for (size_t i = 0; i < text.size; i++)
		hash = mix_bits(hash + (unsigned char)ascii_lower(text.data[i]) + 1);
	return hash;
}

static struct map_link **bucket_of(const struct map *map, uint64_t hash)
{
	return &map->buckets[hash & (map->bucket_count - 1)];
}

static void push_link(struct map *map, struct map_link *link)
{
	struct map_link **bucket = bucket_of(map, link->hash);
	link->next = *bucket;
	*bucket = link;
}

static enum status widen_map(struct map *map, size_t bucket_count)
{
	struct map wider = *map;
	wider.bucket_count = bucket_count;
	wider.buckets = calloc(bucket_count, sizeof(struct map_link *));
	if (wider.buckets == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < map->bucket_count; i++) {
		while (map->buckets[i]) {
			struct map_link *link = map->buckets[i];
			map->buckets[i] = link->next;
			push_link(&wider, link);
		}
	}
	free(map->buckets);
	*map = wider;
	return STATUS_OK;
}

enum status map_reserve(struct map *map, size_t count)
{
	size_t bucket_count = map->bucket_count ? map->bucket_count : BUCKETS_LEAST;
	while (bucket_count < count)
		bucket_count *= 2;
	return bucket_count > map->bucket_count ? widen_map(map, bucket_count) : STATUS_OK;
}

enum status map_add(struct map *map, struct map_link *link, uint64_t hash)
{
	enum status status = map_reserve(map, map->count + 1);
	if (map->bucket_count == 0)
		return status;
	link->hash = hash;
	push_link(map, link);
	map->count++;
	return STATUS_OK;
}

void map_remove(struct map *map, struct map_link *link)
{
	struct map_link **at = bucket_of(map, link->hash);
	while (*at && *at != link)
		at = &(*at)->next;
	assert(*at == link);
	*at = link->next;
	link->next = NULL;
	map->count--;
}

static struct map_link *skip_other_hashes(struct map_link *link, uint64_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct map_link *map_first(const struct map *map, uint64_t hash)
{
	return map->bucket_count ? skip_other_hashes(*bucket_of(map, hash), hash) : NULL;
}

struct map_link *map_next(const struct map_link *link)
{
	return skip_other_hashes(link->next, link->hash);
}

void map_visit(struct map *map, void (*visit)(void *context, struct map_link *link), void *context)
{
	for (size_t i = 0; i < map->bucket_count; i++) {
		struct map_link *next;
		for (struct map_link *link = map->buckets[i]; link; link = next) {
			next = link->next;
			visit(context, link);
		}
	}
}
