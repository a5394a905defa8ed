/*
 * Who has sent most across all nodes: today, and in the last 30 days. Redis is asked about all users, a part
 * at a time, with pauses that are as long as the parts. What comes of such a look is kept for twenty times as long as
 * it took, a minute at most: a company of a few hundred sees what is so now, and whoever looks every second costs a
 * company of 100,000 a twentieth of a core's time.
 */
#ifndef RELAY_STANDINGS_H
#define RELAY_STANDINGS_H

#include "relay/ranking.h"
#include "relay/services.h"

#define STANDINGS_DAYS 30 /* today included */

struct standings;

struct standings_found {
	uint64_t at_s;          /* when the look began: seconds since 1970 */
	bool is_whole;          /* else not all have been looked at yet */
	size_t looked_at;       /* users; one whom Redis names twice counts twice */
	uint64_t senders, sent; /* those who have sent today, and their messages */
	struct ranking today, month;
};

/* NULL: Redis failed or is late. Valid during the call. */
typedef void standings_callback(void *context, const struct standings_found *found);

MUST_USE enum status standings_create(const struct services *services, struct standings **out_standings);
/* After quota_free, when no answer comes any more. Those who wait are told NULL. NULL-safe; sets to NULL. */
void standings_free(struct standings **standings);
/*
 * Calls back soon, maybe at once: with what was found lately or is found now, and where that takes its time, with what
 * a look of the last five minutes found, or with the part of this one that is there. STATUS_NO_MEMORY.
 */
MUST_USE enum status standings_ask(struct standings *standings, standings_callback *callback, void *context);

#endif
