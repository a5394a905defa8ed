/* The rules of the redis section: a server, or Sentinels and what they call it. Adds faults, changes nothing. */
#include <string.h>

#include "config/load.h"
#include "config/values.h"

static bool is_given(const char *text)
{
	return *text != '\0';
}

bool config_redis_is_embedded(const struct config *config)
{
	return strcmp(config->redis.server, "embedded") == 0 && config->redis.sentinels.count == 0;
}

static bool is_secure(struct span server)
{
	return span_starts_with(server, SPAN("rediss://"));
}

/* "HOST:PORT" */
static bool is_host_and_port(struct span text)
{
	uint64_t number;
	size_t colon = text.size;
	while (colon > 0 && text.data[colon - 1] != ':')
		colon--;
	struct span host = span_slice(text, 0, colon ? colon - 1 : 0);
	struct span port = span_slice(text, colon, text.size);
	if (span_starts_with(host, SPAN("[")) && host.data[host.size - 1] == ']')
		host = span_slice(host, 1, host.size - 1);
	return value_is_host(host) && span_to_u64(port, &number) == STATUS_OK && number >= 1 && number <= 65535;
}

static bool is_redis_tcp(struct span server)
{
	static const struct span clear = SPAN("redis://");
	if (is_secure(server))
		return is_host_and_port(span_slice(server, clear.size + 1, server.size));
	return span_starts_with(server, clear) && is_host_and_port(span_slice(server, clear.size, server.size));
}

static void check_server(struct load *load, const struct config_redis *redis)
{
	struct span server = span_of(redis->server);
	bool is_unix = span_starts_with(server, SPAN("unix:/"));
	bool is_embedded = config_redis_is_embedded(load->config);
	if (!span_equal(server, SPAN("embedded")) && !is_unix && !is_redis_tcp(server))
		load_fault(load, "redis", "", "server",
			   "\"%.80s\" is not a server; expected \"embedded\", \"unix:/PATH\", \"redis://HOST:PORT\" "
			   "or \"rediss://HOST:PORT\"",
			   redis->server);
	if (is_embedded && (is_given(redis->user) || is_given(redis->password_file)))
		load_fault(load, "redis", "", is_given(redis->user) ? "user" : "password_file",
			   "the embedded server has none; expected \"\", or another server");
	if (is_given(redis->user) && !is_given(redis->password_file))
		load_fault(load, "redis", "", "user", "no password for it; expected password_file");
}

static bool is_sentinel(struct span text)
{
	return is_secure(text) ? is_redis_tcp(text) : is_host_and_port(text);
}

static void check_sentinels(struct load *load, const struct config_redis *redis)
{
	const struct config_list *list = &redis->sentinels;
	for (size_t i = 0; i < list->count; i++)
		if (!is_sentinel(span_of(list->items[i])))
			load_fault(load, "redis", "", "sentinels",
				   "\"%.80s\" is not a Sentinel; expected \"HOST:PORT\" or \"rediss://HOST:PORT\"",
				   list->items[i]);
		else if (is_secure(span_of(list->items[i])) != is_secure(span_of(list->items[0])))
			load_fault(load, "redis", "", "sentinels",
				   "some with TLS and some without; expected \"rediss://\" before each or before none");
	if (list->count && strcmp(redis->server, "embedded") != 0)
		load_fault(load, "redis", "", "server", "with sentinels it is they who say; expected one of the two");
	if (list->count && !is_given(redis->master))
		load_fault(load, "redis", "", "master", "none; expected what the Sentinels call the primary");
	if (list->count == 0 && (is_given(redis->master) || is_given(redis->sentinel_password_file)))
		load_fault(load, "redis", "", is_given(redis->master) ? "master" : "sentinel_password_file",
			   "nobody to ask; expected sentinels");
}

static void check_tls(struct load *load, const struct config_redis *redis)
{
	bool has_tls = is_secure(span_of(redis->sentinels.count ? redis->sentinels.items[0] : redis->server));
	if (!has_tls && (is_given(redis->ca_file) || is_given(redis->tls_name)))
		load_fault(load, "redis", "", is_given(redis->ca_file) ? "ca_file" : "tls_name",
			   "TLS is not spoken; expected \"rediss://\" before the server");
}

void rules_check_redis(struct load *load)
{
	const struct config_redis *redis = &load->config->redis;
	check_server(load, redis);
	check_sentinels(load, redis);
	check_tls(load, redis);
	if (redis->on_failure == ON_FAILURE_LOCAL && load->config->quota_day.window == QUOTA_WINDOW_ROLLING)
		load_fault(load, "redis", "", "on_failure",
			   "\"local\" lends of days that end at midnight; expected \"reject\", or quota_day.window = "
			   "\"day\"");
}
