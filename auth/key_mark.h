/*
 * Whether the nodes that share a Redis have the same auth.key_file: only then they recognise each other's keyed hashes,
 * and a wrong password that was tried at two of them is one guess. A mark of the first node's key, from which the key
 * can't be found, stands in Redis (PREFIXauth:1:key:{mark}); whoever has another key says so in the log.
 */
#ifndef AUTH_KEY_MARK_H
#define AUTH_KEY_MARK_H

#include "base/secret.h"
#include "redis/redis.h"

/* Asks Redis, and logs a warning later if it must. Whatever fails is tried again with the next connection. */
void key_mark_compare(struct redis *redis, const char *prefix, const struct secret *key);

#endif
