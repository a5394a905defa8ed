/* The cache of the resolver. Owns the names; time is the caller's. */
#include "net/resolver_cache.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FRESH_MAXIMUM_MS 3600000 /* an hour: a record with a long life may have been a mistake */
#define STALE_MS 86400000        /* a day: RFC 8767, 5 has one to three */

static struct resolver_cache_entry *find_entry(struct resolver_cache *cache, const char *host)
{
	for (size_t i = 0; i < RESOLVER_CACHE_ENTRIES; i++) {
		if (cache->entries[i].host && strcasecmp(cache->entries[i].host, host) == 0)
			return &cache->entries[i];
	}
	return NULL;
}

static void clear_entry(struct resolver_cache_entry *entry)
{
	free(entry->host);
	*entry = (struct resolver_cache_entry){ 0 };
}

/* A free one, else the one unused for longest. */
static struct resolver_cache_entry *make_room(struct resolver_cache *cache)
{
	struct resolver_cache_entry *oldest = &cache->entries[0];
	for (size_t i = 0; i < RESOLVER_CACHE_ENTRIES; i++) {
		struct resolver_cache_entry *entry = &cache->entries[i];
		if (entry->host == NULL)
			return entry;
		if (entry->used_ms < oldest->used_ms)
			oldest = entry;
	}
	clear_entry(oldest);
	return oldest;
}

void resolver_cache_put(struct resolver_cache *cache, const char *host, const struct resolver_answer *answer,
			uint64_t ttl_s, uint64_t now_ms)
{
	struct resolver_cache_entry *entry = find_entry(cache, host);
	uint64_t fresh_ms = ttl_s < FRESH_MAXIMUM_MS / 1000 ? ttl_s * 1000 : FRESH_MAXIMUM_MS;
	if (entry == NULL) {
		entry = make_room(cache);
		entry->host = strdup(host);
		if (entry->host == NULL)
			return;
	}
	entry->answer = *answer;
	entry->fresh_until_ms = now_ms + fresh_ms;
	entry->stale_until_ms = entry->fresh_until_ms + STALE_MS;
	entry->used_ms = now_ms;
}

const struct resolver_answer *resolver_cache_find(struct resolver_cache *cache, const char *host, bool stale,
						  uint64_t now_ms)
{
	struct resolver_cache_entry *entry = find_entry(cache, host);
	if (entry == NULL || now_ms >= (stale ? entry->stale_until_ms : entry->fresh_until_ms))
		return NULL;
	entry->used_ms = now_ms;
	return &entry->answer;
}

void resolver_cache_drop(struct resolver_cache *cache, const char *host)
{
	struct resolver_cache_entry *entry = find_entry(cache, host);
	if (entry)
		clear_entry(entry);
}

void resolver_cache_wipe(struct resolver_cache *cache)
{
	for (size_t i = 0; i < RESOLVER_CACHE_ENTRIES; i++)
		clear_entry(&cache->entries[i]);
}
