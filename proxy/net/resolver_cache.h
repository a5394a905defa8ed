/*
 * Answers of DNS, kept for their TTL. When no server answers any more the last
 * good one stands in for a day (RFC 8767): an upstream rarely moves while DNS is
 * away, and if it did, its certificate would tell. Private to this room.
 */
#ifndef NET_RESOLVER_CACHE_H
#define NET_RESOLVER_CACHE_H

#include "net/resolver.h"

#define RESOLVER_CACHE_ENTRIES 64 /* more than upstreams have names; the one unused for longest gives way */

struct resolver_cache_entry {
	char *host; /* NULL: free */
	struct resolver_answer answer;
	uint64_t fresh_until_ms, stale_until_ms, used_ms;
};

struct resolver_cache {
	struct resolver_cache_entry entries[RESOLVER_CACHE_ENTRIES];
};

/* `answer` without ports; `ttl_s` 0: kept as a stand-in only. Out of memory nothing is kept. */
void resolver_cache_put(struct resolver_cache *cache, const char *host, const struct resolver_answer *answer,
			uint64_t ttl_s, uint64_t now_ms);
/* Fresh, or with `stale` as a stand-in too; NULL: there is none. */
const struct resolver_answer *resolver_cache_find(struct resolver_cache *cache, const char *host, bool stale,
						  uint64_t now_ms);
/* DNS says that the name no longer exists. */
void resolver_cache_drop(struct resolver_cache *cache, const char *host);
void resolver_cache_wipe(struct resolver_cache *cache);

#endif
