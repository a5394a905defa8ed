/*
 * What directories last said of users, kept in Redis, so that it outlives a reload and the death of a role, and other
 * nodes with the same key know it too. Each is sealed with auth's key: Redis can lose one or show an older one, within
 * what its age allows, and can't make one up. Under PREFIXauth:1:entry:{HMAC of the name}, with an expiry.
 */
#ifndef AUTH_LAST_WORDS_H
#define AUTH_LAST_WORDS_H

#include "auth/identity.h"
#include "base/secret.h"
#include "redis/redis.h"

struct last_words;
struct last_words_recall; /* a question under way */

/* `redis`, `prefix` and `key` live longer. `lifetime_ms`: nothing older is kept or recalled; 0: nothing at all. */
MUST_USE enum status last_words_create(struct redis *redis, const char *prefix, const struct secret *key,
				       uint64_t lifetime_ms, struct last_words **out_words);
/* NULL-safe; sets to NULL. After redis_free: no answer comes any more. */
void last_words_free(struct last_words **words);

/* By the canonical name that was given. What can't be kept is not: the directory is asked again next time. */
void last_words_keep(struct last_words *words, const char *name, const struct identity *identity);
void last_words_drop(struct last_words *words, const char *name);
/* What was said of this user until now counts no more, on any node; an id, or "name:NAME" as in events. */
void last_words_forget_user(struct last_words *words, struct span user_id);

/*
 * `on_done` is called once, later, unless it was forgotten before: with what is known, valid during the call, or NULL.
 * STATUS_UNAVAILABLE: nothing can be known.
 */
MUST_USE enum status last_words_ask(struct last_words *words, const char *name,
				    void (*on_done)(void *context, const struct identity *identity), void *context,
				    struct last_words_recall **out_recall);
void last_words_forget(struct last_words_recall **recall); /* NULL-safe; sets to NULL */

#endif
