/*
 * When, and from where, each app password was last used: in a Redis hash that all nodes write to, at most once a
 * minute. While Redis is away the last uses wait here, and are what this process knows.
 *
 *   PREFIXauth:1:uses   ID → "SECONDS ADDRESS"
 */
#ifndef AUTH_USES_H
#define AUTH_USES_H

#include "auth/app_password/password.h"
#include "base/network.h"
#include "net/loop.h"
#include "redis/redis.h"

struct uses;

struct use {
	uint64_t last_s; /* seconds since 1970; 0: not known */
	char address[NETWORK_TEXT_SIZE];
};

MUST_USE enum status uses_create(struct loop *loop, struct redis *redis, const char *prefix, struct uses **out_uses);
/* NULL-safe; sets to NULL. Before its Redis client. */
void uses_free(struct uses **uses);

void uses_note(struct uses *uses, const char *id, const char *address);
/* It was revoked. */
void uses_forget(struct uses *uses, const char *id);

/* Writes what waits, now. */
void uses_write(struct uses *uses);

/*
 * The last uses of up to USES_ASKED_MAXIMUM passwords, in the order of `ids`, which are copied. `on_known` is called
 * once, later, unless `uses` is freed before; where Redis can't be asked, with what this process knows.
 */
#define USES_ASKED_MAXIMUM 500
typedef void uses_callback(void *context, const struct use *uses);
MUST_USE enum status uses_recall(struct uses *uses, const char (*ids)[APP_PASSWORD_ID_SIZE], size_t count,
				 uses_callback *on_known, void *context);

#endif
