/*
 * The embedded Redis: a private redis-server on a UNIX socket, append-only, under the lock of the state folder. It dies
 * with the supervisor, and is started again when it dies alone. Its password is random, and known to our roles only.
 */
#ifndef SUPERVISE_EMBEDDED_REDIS_H
#define SUPERVISE_EMBEDDED_REDIS_H

#include <stdio.h>

#include "config/config.h"
#include "supervise/logs.h"
#include "supervise/process.h"

struct embedded_redis;

struct embedded_redis_options {
	const struct config *config; /* read at creation only */
	const struct identity *identity;
	int lock; /* of the state folder; it gets this too and so keeps it as long as it lives */
	struct logs *logs;
	struct stats *stats;               /* the supervisor's own: restarts are counted there */
	void (*on_stopped)(void *context); /* after embedded_redis_stop, in a later turn */
	void *context;
};

/*
 * Starts it and waits up to `limit_ms` until it answers, so it may be called only before the loop runs. If not OK,
 * `faults` says why.
 */
MUST_USE enum status embedded_redis_create(struct loop *loop, const struct embedded_redis_options *options,
					   uint64_t limit_ms, FILE *faults, struct embedded_redis **out_redis);
/* "unix:/path", for role_context.redis_server. */
const char *embedded_redis_server(const struct embedded_redis *redis);
/* Its password, sealed; stays its owner's. */
int embedded_redis_password_fd(const struct embedded_redis *redis);
/*
 * Asks it for a sign of life, and kills it when it has given none for long; it is then started anew. To be called twice
 * a second.
 */
void embedded_redis_look(struct embedded_redis *redis, uint64_t now_ms);
bool embedded_redis_is_hung(const struct embedded_redis *redis);
/* It was killed, and is still there. */
bool embedded_redis_is_stubborn(const struct embedded_redis *redis, uint64_t now_ms);
/* 0 while it is away. */
pid_t embedded_redis_pid(const struct embedded_redis *redis);
/* When it was last started: microseconds since 1970. */
uint64_t embedded_redis_started_us(const struct embedded_redis *redis);
/* Lets it end in order, with all that it acknowledged on disk. on_stopped follows within some seconds. */
void embedded_redis_stop(struct embedded_redis *redis);
void embedded_redis_free(struct embedded_redis **redis); /* NULL-safe; sets to NULL */

#endif
