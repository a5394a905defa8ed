/* Directory entries, kept in a cache of their own, which lives longer than the chain. */
#include "auth/entries.h"

#include "base/log.h"

static enum status make_entry_key(const struct chain_ask *ask, struct cache_key *out_key)
{
	const struct span parts[] = { SPAN("entry"), span_of(ask->credentials->name) };
	return cache_make_key(ask->chain->parts.key, parts, 2, out_key);
}

static enum status keep_entry(struct chain_ask *ask, const struct identity *identity)
{
	struct chain_parts *parts = &ask->chain->parts;
	struct cache_key key;
	struct identity kept IDENTITY_AUTO;
	identity_init(&kept);
	TRY(identity_copy(identity, &kept));
	TRY(identity_keep_groups_of(parts->config, &kept));
	last_words_keep(parts->last_words, ask->credentials->name, &kept);
	TRY(make_entry_key(ask, &key));
	return cache_put(parts->entries, &key, &kept, &(struct cache_proof){ 0 }, loop_now_ms(parts->loop));
}

void entries_remember(struct chain_ask *ask, const struct identity *identity)
{
	if (keep_entry(ask, identity) != STATUS_OK)
		log_debug("a directory entry was not kept");
}

const struct identity *entries_recall(struct chain_ask *ask, uint64_t max_age_ms)
{
	struct chain_parts *parts = &ask->chain->parts;
	struct cache_key key;
	if (make_entry_key(ask, &key) != STATUS_OK)
		return NULL;
	return cache_find(parts->entries, &key, max_age_ms, loop_now_ms(parts->loop), NULL);
}

void entries_forget(struct chain_ask *ask)
{
	struct cache_key key;
	if (make_entry_key(ask, &key) == STATUS_OK)
		cache_drop(ask->chain->parts.entries, &key);
	last_words_drop(ask->chain->parts.last_words, ask->credentials->name);
}
