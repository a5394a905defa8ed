/* A bounded map from keyed digests to identities; entries stand in a ring in the order they were put. */
#include "auth/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "redis/events.h"

#define KEY_INPUT_MAXIMUM 8192 /* bytes: a name, a password, an address */

struct entry {
	struct map_link link;
	struct map_link of_user;
	struct entry *older, *newer;
	struct cache_key key;
	uint64_t put_ms;
	struct cache_proof proof;
	struct identity identity;
};

/* Invariant: every entry stands in the table, in `users` (by id) and in the list oldest..newest. */
struct cache {
	struct map table;
	struct map users;
	struct entry *oldest, *newest;
	size_t maximum;
};

enum status cache_make_key(const struct secret *key, const struct span *parts, size_t count, struct cache_key *out_key)
{
	struct buf input BUF_AUTO;
	buf_init_sensitive(&input, KEY_INPUT_MAXIMUM);
	for (size_t i = 0; i < count; i++)
		TRY(codec_list_add(&input, parts[i]));
	return hash_hmac_sha256(secret_reveal(key), buf_span(&input), out_key->mac);
}

static uint64_t hash_of(const struct cache_key *key)
{
	uint64_t hash;
	memcpy(&hash, key->mac, sizeof(hash));
	return hash;
}

enum status cache_create(size_t maximum, struct cache **out_cache)
{
	struct cache *cache = calloc(1, sizeof(*cache));
	if (cache == NULL)
		return STATUS_NO_MEMORY;
	cache->maximum = maximum;
	enum status status = map_init(&cache->users);
	if (status != STATUS_OK) {
		free(cache);
		return status;
	}
	*out_cache = cache;
	return STATUS_OK;
}

static void unlink_entry(struct cache *cache, struct entry *entry)
{
	*(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
	map_remove(&cache->table, &entry->link);
	map_remove(&cache->users, &entry->of_user);
}

static void free_entry(struct entry *entry)
{
	identity_free(&entry->identity);
	explicit_bzero(entry, sizeof(*entry));
	free(entry);
}

static void drop_entry(struct cache *cache, struct entry *entry)
{
	unlink_entry(cache, entry);
	free_entry(entry);
}

void cache_free(struct cache **cache)
{
	if (*cache == NULL)
		return;
	while ((*cache)->oldest)
		drop_entry(*cache, (*cache)->oldest);
	map_free(&(*cache)->table);
	map_free(&(*cache)->users);
	free(*cache);
	*cache = NULL;
}

static struct entry *find_entry(const struct cache *cache, const struct cache_key *key)
{
	struct map_link *link = map_first(&cache->table, hash_of(key));
	for (; link; link = map_next(link)) {
		struct entry *entry = MAP_OWNER(link, struct entry, link);
		if (memcmp(entry->key.mac, key->mac, sizeof(key->mac)) == 0)
			return entry;
	}
	return NULL;
}

static uint64_t hash_of_user(const struct cache *cache, const char *id)
{
	return map_hash_text(&cache->users, span_of(id));
}

static enum status insert_entry(struct cache *cache, struct entry *entry)
{
	TRY(map_add(&cache->table, &entry->link, hash_of(&entry->key)));
	enum status status = map_add(&cache->users, &entry->of_user, hash_of_user(cache, entry->identity.id));
	if (status != STATUS_OK) {
		map_remove(&cache->table, &entry->link);
		return status;
	}
	entry->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
	return STATUS_OK;
}

enum status cache_put(struct cache *cache, const struct cache_key *key, const struct identity *identity,
		      const struct cache_proof *proof, uint64_t now_ms)
{
	cache_drop(cache, key);
	if (cache->table.count >= cache->maximum && cache->oldest)
		drop_entry(cache, cache->oldest);
	struct entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return STATUS_NO_MEMORY;
	entry->key = *key;
	entry->put_ms = now_ms;
	entry->proof = *proof;
	identity_init(&entry->identity);
	enum status status = identity_copy(identity, &entry->identity);
	if (status == STATUS_OK)
		status = insert_entry(cache, entry);
	if (status != STATUS_OK)
		free_entry(entry);
	return status;
}

const struct identity *cache_find(struct cache *cache, const struct cache_key *key, uint64_t max_age_ms,
				  uint64_t now_ms, uint64_t *out_origin)
{
	struct entry *entry = find_entry(cache, key);
	if (entry == NULL || now_ms - entry->put_ms >= max_age_ms)
		return NULL;
	if (out_origin)
		*out_origin = entry->proof.origin;
	return &entry->identity;
}

void cache_drop(struct cache *cache, const struct cache_key *key)
{
	struct entry *entry = find_entry(cache, key);
	if (entry)
		drop_entry(cache, entry);
}

static struct entry *find_entry_of_user(const struct cache *cache, const char *id, uint64_t but_password)
{
	struct map_link *link = map_first(&cache->users, hash_of_user(cache, id));
	for (; link; link = map_next(link)) {
		struct entry *entry = MAP_OWNER(link, struct entry, of_user);
		bool is_kept = but_password != 0 && entry->proof.password == but_password;
		if (!is_kept && strcmp(entry->identity.id, id) == 0)
			return entry;
	}
	return NULL;
}

void cache_drop_user(struct cache *cache, const char *id, uint64_t password)
{
	for (struct entry *entry; (entry = find_entry_of_user(cache, id, password)) != NULL;)
		drop_entry(cache, entry);
}

void cache_forget(struct cache *cache, struct span user_id)
{
	struct entry *newer;
	for (struct entry *entry = cache->oldest; entry; entry = newer) {
		newer = entry->newer;
		if (event_means_user(user_id, span_of(entry->identity.id), span_of(entry->identity.user)))
			drop_entry(cache, entry);
	}
}
