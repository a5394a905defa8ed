/*
 * Whether all nodes count by the same rules: each writes its time zone, its window and a fingerprint of its quota
 * sections into Redis, PREFIXquota-nodes, once a minute, and reads those of the others. Nodes that differ never grant
 * more than the larger of two limits, and a day that has begun keeps its end; but that is seldom what was meant.
 */
#ifndef QUOTA_QUOTA_NODES_H
#define QUOTA_QUOTA_NODES_H

#include "config/config.h"
#include "redis/redis.h"

struct quota_nodes;

/*
 * How many nodes differ, whenever that, or how, has changed; `how` says it of one of them: "node mx2 counts by the time
 * zone UTC, this one by Europe/Berlin"; empty when none differs.
 */
typedef void quota_nodes_callback(void *context, size_t count, const char *how);

/* `redis` must outlive it. The first look is taken soon, and again until Redis has answered. */
MUST_USE enum status quota_nodes_create(struct loop *loop, struct redis *redis, const struct config *config,
					const char *node, quota_nodes_callback *callback, void *context,
					struct quota_nodes **out_nodes);
/* After the last answer of Redis, or once the client is freed; NULL-safe; sets to NULL. */
void quota_nodes_free(struct quota_nodes **nodes);
/* Another process speaks for this node from now on. */
void quota_nodes_retire(struct quota_nodes *nodes);

#endif
