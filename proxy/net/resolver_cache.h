/*
 * Answers of DNS, kept as long as they say themselves. Where no server answers
 * any more the last good one stands in for a day (RFC 8767): a relay rarely
 * moves while DNS is away, and if it did its certificate tells. Private to this room.
 */
#ifndef NET_RESOLVER_CACHE_H
#define NET_RESOLVER_CACHE_H

#include "net/resolver.h"

#define RESOLVER_CACHE_ENTRIES 64 /* relays have so many names at most; the one unused for longest gives way */

struct resolver_cache_entry {
	char *host; /* NULL: free */
	struct resolver_answer answer;
	uint64_t fresh_until_ms, stale_until_ms, used_ms;
};

struct resolver_cache {
	struct resolver_cache_entry entries[RESOLVER_CACHE_ENTRIES];
};

/* `answer` without ports; `ttl_s` 0: good for this once, and as a stand-in. Out of memory nothing is kept. */
void resolver_cache_put(struct resolver_cache *cache, const char *host, const struct resolver_answer *answer,
			uint64_t ttl_s, uint64_t now_ms);
/* Fresh, or with `stale` as a stand-in too; NULL: there is none. */
const struct resolver_answer *resolver_cache_find(struct resolver_cache *cache, const char *host, bool stale,
						  uint64_t now_ms);
/* DNS says that there is no such name any more. */
void resolver_cache_drop(struct resolver_cache *cache, const char *host);
void resolver_cache_wipe(struct resolver_cache *cache);

#endif
