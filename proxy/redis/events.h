/*
 * What roles and nodes tell each other by way of Redis: somebody's right has ended. A stream, PREFIXevents:1, which
 * every role that cares reads a few times a second, its own events included: a relay that drains hears of them too,
 * although no door leads to it any more.
 *
 * The stream is bounded, and nothing rests on it alone: what lasts (locks, app passwords) is kept elsewhere, and read
 * anew after each loss of the connection. Redis is trusted no more than a peer: an event that can't be read is skipped.
 */
#ifndef REDIS_EVENTS_H
#define REDIS_EVENTS_H

#include "redis/redis.h"

#define EVENTS_LOOK_MS 250         /* between two looks at the stream */
#define EVENTS_ID_MAXIMUM 256      /* bytes of a value in an event */
#define EVENTS_UNSENT_MAXIMUM 1024 /* events that wait for Redis; more are dropped, and logged */

enum event_kind {
	EVENT_LOCK,   /* `user_id` was locked: their sessions end */
	EVENT_UNLOCK, /* `user_id` is no longer locked */
	EVENT_REVOKE, /* `object` is an app password that is revoked: the sessions that it began end */
	EVENT_FORGET, /* what is remembered of `user_id` is to be forgotten, and their sessions end */
	EVENT_KICK,   /* `object` is a session ("GATE-NUMBER") of the node `node`: it ends */
	EVENT_COUNT,  /* counts or limits of `object` were changed by hand: a user, or a TAB and a quota section */
};

/* Values that don't apply are empty. Spans are valid during the call. */
struct event {
	enum event_kind kind;
	struct span user_id, object, node;
};

/*
 * Whether the `user_id` of an event means the user of this id and name. "name:NAME" also means whoever has that name:
 * the directory, which would know their id, may have lost their entry just before.
 */
bool event_means_user(struct span user_id, struct span id, struct span name);

struct events_handler {
	void (*on_event)(void *context, const struct event *event);
	/* Reading begins, or goes on after events may have been missed: whatever is kept is to be read anew. */
	void (*on_resumed)(void *context);
};

struct events;

/* All of them must outlive it. STATUS_TOO_LARGE: the prefix. */
MUST_USE enum status events_create(struct loop *loop, struct redis *redis, const char *prefix,
				   const struct events_handler *handler, void *context, struct events **out_events);
void events_free(struct events **events); /* after the Redis client, whose calls it owns; NULL-safe; sets to NULL */

/*
 * Tells everybody. While Redis is away the event waits until it is back. STATUS_NO_MEMORY, STATUS_TOO_LARGE: a value,
 * or too many events wait; nobody is told.
 */
MUST_USE enum status events_publish(struct events *events, const struct event *event);

#endif
