/*
 * Refused recipients: how many of a user's recipients relays have refused
 * within the last hour, counted in Redis for all nodes together, so that
 * nobody finds out whole address lists with one login. Good mail costs no call.
 */
#ifndef QUOTA_REFUSED_H
#define QUOTA_REFUSED_H

#include "redis/redis.h"

struct refused_recipients;

struct refused_count {
	uint64_t counted;   /* of those asked for: that many are within the limit, and no more */
	uint64_t refused;   /* within the hour, those included */
	uint64_t limit;     /* of an hour */
	uint64_t free_in_s; /* until the oldest of them no longer count; 0: there are none */
	uint64_t free_at;   /* the same, seconds since 1970 by Redis's clock */
	bool is_reached;    /* the limit, by this call */
};

/* `count` NULL: Redis failed, or is late. What it may have counted stays counted. */
typedef void refused_callback(void *context, const struct refused_count *count);

/* `redis` must outlive it. */
MUST_USE enum status refused_create(struct redis *redis, const char *prefix, struct refused_recipients **out_refused);
void refused_free(struct refused_recipients **refused); /* after the last callback */

/* Counts so many more of this user; 0 asks only. Calls back exactly once, never inside this call, if STATUS_OK. */
MUST_USE enum status refused_count(struct refused_recipients *refused, struct span user, uint64_t limit, uint64_t more,
				   refused_callback *callback, void *context);

#endif
