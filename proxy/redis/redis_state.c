/* Whether calls may be made, and what the owner hears of it. */
#include <stdio.h>
#include <string.h>

#include "redis/redis_private.h"

void redis_start_deadline(struct redis *redis, uint64_t delay_ms)
{
	redis->deadline_at = loop_now_ms(redis->loop) + delay_ms;
	timer_set(redis->deadline, delay_ms);
}

void redis_clear_deadline(struct redis *redis)
{
	redis->deadline_at = 0;
	timer_clear(redis->deadline);
}

static void tell_change(struct redis *redis, bool up, const char *reason)
{
	if (redis->options.on_change)
		redis->options.on_change(redis->options.context, up, reason);
}

void redis_come_up(struct redis *redis)
{
	redis->state = REDIS_UP;
	redis->times_up++;
	redis->retry_ms = REDIS_RETRY_FIRST_MS;
	redis->told[0] = '\0';
	redis->addresses.count = redis->next_address = 0; /* when it is lost its name is asked again */
	tell_change(redis, true, "connected");
}

void redis_tell_down(struct redis *redis, const char *reason)
{
	if (strncmp(redis->told, reason, sizeof(redis->told) - 1) == 0)
		return;
	snprintf(redis->told, sizeof(redis->told), "%s", reason);
	tell_change(redis, false, redis->told);
}

void redis_leave(struct redis *redis, const char *reason)
{
	if (redis->state != REDIS_UP && redis->state != REDIS_LOGGING_IN)
		return;
	snprintf(redis->reason, sizeof(redis->reason), "%s", reason);
	if (redis->state == REDIS_UP)
		redis_tell_down(redis, redis->reason);
	redis->state = REDIS_LEAVING;
	if (redis->pending.first == NULL)
		redis_start_deadline(redis, 0);
}
