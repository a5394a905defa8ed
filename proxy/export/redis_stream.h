/*
 * A sender to a stream in our Redis, which other programs read (XREAD, XREADGROUP): `{prefix}audit`, each entry with
 * the one field `record`. A record has arrived once Redis says so. The stream is trimmed to about its length.
 */
#ifndef EXPORT_REDIS_STREAM_H
#define EXPORT_REDIS_STREAM_H

#include "export/sender.h"
#include "redis/redis.h"

/* `redis` may owe it answers, and so is freed before it. `length`: entries kept. STATUS_NO_MEMORY. */
MUST_USE enum status redis_stream_create(struct loop *loop, struct redis *redis, const char *prefix, uint64_t length,
					 const struct sender_handler *handler, struct sender **out_sender);

#endif
