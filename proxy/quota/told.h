/*
 * Who was told of what: so that of all nodes one tells a user that they come near their limit, once a day. A hash a
 * user in Redis, PREFIXtold:{USER}, and one script. Without Redis there is no answer, and telling twice does less harm
 * than not at all.
 */
#ifndef QUOTA_TOLD_H
#define QUOTA_TOLD_H

#include "redis/redis.h"

struct told;

/* `is_first`: nobody was told of it yet, or nobody can say. */
typedef void told_callback(void *context, bool is_first);

/* `redis` must outlive it. */
MUST_USE enum status told_create(struct redis *redis, const char *prefix, struct told **out_told);
void told_free(struct told **told); /* after Redis; questions still open end without a callback. NULL-safe */

/*
 * Asks, and notes that they are told of `what` (a word) now; it counts until `until_s`, seconds since 1970. Calls back
 * exactly once, never inside this call, if STATUS_OK.
 */
MUST_USE enum status told_ask(struct told *told, struct span user, struct span what, uint64_t until_s,
			      told_callback *callback, void *context);

#endif
