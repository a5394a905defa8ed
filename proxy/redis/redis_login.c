/*
 * What makes a connection usable: it is logged in, and Redis takes commands, is
 * no replica, and drops no keys of its own accord. Asked at the beginning, and
 * again every few seconds.
 */
#include <string.h>

#include "redis/redis_private.h"

#define WATCH_MS 5000 /* between two looks at a Redis in use */

static const char replica[] = "it is a replica, which takes no charges";

static enum status send_auth(struct redis *redis, struct redis_handler login)
{
	struct span user = span_of(redis->options.user);
	struct span arguments[3] = { SPAN("AUTH") };
	size_t count = 1;
	if (user.size)
		arguments[count++] = user;
	arguments[count++] = secret_reveal(redis->options.password);
	return redis_send(redis, arguments, count, REDIS_LOGIN_MS, login);
}

/* ---- INFO */

/* The value of "NAME:VALUE" on a line of its own; empty where there is none. */
static struct span find_line(struct span text, struct span name)
{
	struct span line;
	while (span_cut(&text, '\n', &line)) {
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		if (span_starts_with(line, name))
			return span_slice(line, name.size, line.size);
	}
	return (struct span){ 0 };
}

/* An error is no fault, as INFO may be forbidden. A replica then shows when it refuses a command. */
static void on_info(void *context, enum status status, const struct redis_value *value)
{
	struct redis *redis = context;
	char reason[REDIS_REASON_SIZE];
	if (status != STATUS_OK || redis_value_type(value) != REDIS_TEXT)
		return;
	struct span text = redis_value_text(value);
	struct span policy = find_line(text, SPAN("maxmemory_policy:"));
	if (span_equal(find_line(text, SPAN("role:")), SPAN("slave"))) {
		redis_leave(redis, replica);
	} else if (policy.size && !span_equal(policy, SPAN("noeviction"))) {
		snprintf(reason, sizeof(reason),
			 "its maxmemory-policy is %.*s, which may drop counts; noeviction is needed",
			 (int)(policy.size < 32 ? policy.size : 32), policy.data);
		redis_leave(redis, reason);
	}
}

static enum status ask_info(struct redis *redis)
{
	const struct redis_handler handler = { .callback = on_info, .context = redis };
	const struct span replication[] = { SPAN("INFO"), SPAN("replication") };
	const struct span memory[] = { SPAN("INFO"), SPAN("memory") };
	TRY(redis_send(redis, replication, 2, REDIS_LOGIN_MS, handler));
	return redis_send(redis, memory, 2, REDIS_LOGIN_MS, handler);
}

void redis_watch(void *context)
{
	struct redis *redis = context;
	if (redis->state == REDIS_UP && ask_info(redis) != STATUS_OK)
		redis_leave(redis, "out of memory");
	timer_set(redis->watch, WATCH_MS);
}

/* ---- login */

static void on_login(void *context, enum status status, const struct redis_value *value)
{
	struct redis *redis = context;
	if (status != STATUS_OK || redis->state != REDIS_LOGGING_IN)
		return; /* the connection is gone, and its owner knows */
	if (redis_value_type(value) == REDIS_ERROR) {
		char reason[REDIS_REASON_SIZE];
		struct span text = redis_value_text(value);
		snprintf(reason, sizeof(reason), "login refused: %.*s", (int)(text.size < 120 ? text.size : 120),
			 text.data);
		redis_leave(redis, reason);
		return;
	}
	if (redis->pending.first == NULL)
		redis_come_up(redis);
}

enum status redis_log_in(struct redis *redis)
{
	const struct secret *password = redis->options.password;
	const struct redis_handler login = { .callback = on_login, .context = redis };
	const struct span ping = SPAN("PING");
	if (password && !secret_is_empty(password))
		TRY(send_auth(redis, login));
	TRY(ask_info(redis));
	return redis_send(redis, &ping, 1, REDIS_LOGIN_MS,
			  login); /* the last: its answer makes the connection one to use */
}
