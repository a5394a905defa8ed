/*
 * Refused recipients: how many of a user's recipients upstreams have refused
 * within the last hour, counted in Redis for all nodes together, so that nobody
 * can test whole address lists with one login. Good mail costs no call.
 */
#ifndef QUOTA_REFUSED_H
#define QUOTA_REFUSED_H

#include "redis/redis.h"

struct refused_recipients;

struct refused_count {
	uint64_t counted;   /* of those given: as many as the limit had room for */
	uint64_t refused;   /* within the hour, these included */
	uint64_t limit;     /* of an hour */
	uint64_t free_in_s; /* until the oldest of them no longer counts; 0: there are none */
	uint64_t free_at;   /* the same, seconds since 1970 by Redis's clock */
	bool is_reached;    /* this call has reached the limit */
};

/* `count` NULL: Redis failed or is late. What it may have counted stays counted. */
typedef void refused_callback(void *context, const struct refused_count *count);

/* `redis` must outlive it. */
MUST_USE enum status refused_create(struct redis *redis, const char *prefix, struct refused_recipients **out_refused);
void refused_free(struct refused_recipients **refused); /* after the last callback */

/* Counts `more` for this user; 0 only asks. Calls back exactly once, never inside this call, if STATUS_OK. */
MUST_USE enum status refused_count(struct refused_recipients *refused, struct span user, uint64_t limit, uint64_t more,
				   refused_callback *callback, void *context);

#endif
