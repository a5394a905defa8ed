/*
 * What back ends said, remembered for a while: identities under keyed digests.
 * Two of them are in use: one of successful LDAP logins, under (user,
 * password), and one of directory entries, under the user's name.
 * Bounded: the oldest goes first. Keys and identities are wiped when dropped.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include "auth/identity.h"
#include "base/hash.h"
#include "base/secret.h"

struct cache;

struct cache_key {
	unsigned char mac[HASH_SHA256_SIZE];
};

/* HMAC-SHA256 under `key` over the parts, each after its length: no two lists of parts make the same bytes. */
MUST_USE enum status cache_make_key(const struct secret *key, const struct span *parts, size_t count,
				    struct cache_key *out_key);

MUST_USE enum status cache_create(size_t maximum, struct cache **out_cache);
void cache_free(struct cache **cache); /* NULL-safe; sets to NULL */

/* By what and from where somebody was proven: keyed hashes of the password and of the address; 0: of none. */
struct cache_proof {
	uint64_t password;
	uint64_t origin;
};

/* Copies `identity`; replaces what was there. */
MUST_USE enum status cache_put(struct cache *cache, const struct cache_key *key, const struct identity *identity,
			       const struct cache_proof *proof, uint64_t now_ms);
/*
 * What was put at most `max_age_ms` ago; NULL. Valid until the next change.
 * *out_origin, which may be NULL, is that of the put.
 */
const struct identity *cache_find(struct cache *cache, const struct cache_key *key, uint64_t max_age_ms,
				  uint64_t now_ms, uint64_t *out_origin);
/* Drops every identity that an event's `user_id` means (redis/events.h). */
void cache_forget(struct cache *cache, struct span user_id);
void cache_drop(struct cache *cache, const struct cache_key *key);
/* Drops all that is known of the user of this id, under whatever key, but for what this password proved; 0: all. */
void cache_drop_user(struct cache *cache, const char *id, uint64_t password);

#endif
