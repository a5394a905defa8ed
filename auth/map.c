/* The hash map: chained, doubling, never shrinking. */
#include "auth/map.h"

#include <stdlib.h>

#define FIRST_BUCKETS 64

uint64_t map_hash_number(uint64_t number)
{
	number ^= number >> 33; /* the finalizer of MurmurHash3: each bit in reaches each bit out */
	number *= 0xff51afd7ed558ccdU;
	number ^= number >> 33;
	number *= 0xc4ceb9fe1a85ec53U;
	return number ^ number >> 33;
}

uint64_t map_hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325U;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
	return hash;
}

static void push(struct map_link **buckets, size_t bucket_count, struct map_link *link)
{
	struct map_link **bucket = &buckets[link->hash & (bucket_count - 1)];
	link->next = *bucket;
	*bucket = link;
}

static enum status grow(struct map *map)
{
	size_t bucket_count = map->bucket_count ? map->bucket_count * 2 : FIRST_BUCKETS;
	struct map_link **buckets = calloc(bucket_count, sizeof(*buckets));
	if (buckets == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < map->bucket_count; i++) {
		while (map->buckets[i]) {
			struct map_link *link = map->buckets[i];
			map->buckets[i] = link->next;
			push(buckets, bucket_count, link);
		}
	}
	free(map->buckets);
	map->buckets = buckets;
	map->bucket_count = bucket_count;
	return STATUS_OK;
}

enum status map_add(struct map *map, struct map_link *link, uint64_t hash)
{
	if (map->count >= map->bucket_count)
		TRY(grow(map));
	link->hash = hash;
	push(map->buckets, map->bucket_count, link);
	map->count++;
	return STATUS_OK;
}

static struct map_link *skip_others(struct map_link *link, uint64_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct map_link *map_first(const struct map *map, uint64_t hash)
{
	if (map->bucket_count == 0)
		return NULL;
	return skip_others(map->buckets[hash & (map->bucket_count - 1)], hash);
}

struct map_link *map_next(const struct map_link *link)
{
	return skip_others(link->next, link->hash);
}

void map_remove(struct map *map, struct map_link *link)
{
	struct map_link **at = &map->buckets[link->hash & (map->bucket_count - 1)];
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->next = NULL;
	map->count--;
}

void map_free(struct map *map)
{
	free(map->buckets);
	*map = (struct map){ 0 };
}

void map_visit(struct map *map, void (*visit)(void *context, struct map_link *link), void *context)
{
	for (size_t i = 0; i < map->bucket_count; i++) {
		struct map_link *next = NULL;
		for (struct map_link *link = map->buckets[i]; link; link = next) {
			next = link->next;
			visit(context, link);
		}
	}
}
