/*
 * What the nodes sign, told to each other by way of Redis: a hash, PREFIXaudit-heads:1, holds the latest statement of
 * each node (conf/audit.md), and once a minute each node records those of the others that are new. So a node whose
 * audit lost its end is found out by the files of another.
 *
 * Redis is trusted no more than a peer: what does not verify is left out. Nothing waits for this, and while Redis is
 * away it rests.
 */
#ifndef RELAY_PEERS_H
#define RELAY_PEERS_H

#include "audit/audit.h"
#include "redis/redis.h"

#define PEERS_MAXIMUM 64        /* nodes whose statements are recorded; further ones are left out */
#define PEERS_FIRST_MS 2000     /* after the start, until the first look */
#define PEERS_INTERVAL_MS 60000 /* between two looks */

struct peers;

/* All of them, and `node`, our name, must outlive it. STATUS_NO_MEMORY, STATUS_TOO_LARGE: the prefix. */
MUST_USE enum status peers_create(struct loop *loop, struct redis *redis, struct audit *audit, const char *prefix,
				  const char *node, struct peers **out_peers);
void peers_free(struct peers **peers); /* after the Redis client; NULL-safe */

/* Ours, to the others. While one is on its way, only the latest of those that follow is sent. */
void peers_publish(struct peers *peers, const struct audit_statement *statement);

#endif
