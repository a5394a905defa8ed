/*
 * Opening a client. The Sentinels of one primary: a connection to each, and what each said last. Owns the connections;
 * a Sentinel that is away, or has not answered for a while, has no say.
 *
 * More than half of those configured must name the same primary. So a Sentinel that was cut off together with a former
 * primary leads nobody there, and where most Sentinels are away Redis counts as away once its connection is lost.
 */
#include <stdio.h>
#include <stdlib.h>

#include "redis/redis_private.h"

#define SENTINEL_PORT 26379 /* where none is said */
#define ASK_MS 500          /* between two questions */
#define ANSWER_MS 1000
#define FRESH_MS 3000 /* an answer older than this counts no more */

struct sentinel {
	struct sentinels *sentinels;
	struct redis *redis;
	bool is_asked;
	char host[REDIS_HOST_SIZE]; /* of the primary, as it said; "": it named none */
	uint16_t port;
	uint64_t said_ms; /* loop clock */
};

struct sentinels {
	struct loop *loop;
	struct redis *redis; /* whose primary it is */
	const char *master;
	bool is_secure;
	struct timer *timer;
	char host[REDIS_HOST_SIZE]; /* of the primary that they last agreed on */
	uint16_t port;
	bool agreed;
	size_t count;
	struct sentinel items[];
};

/* ---- what they say */

static bool has_say(const struct sentinels *sentinels, const struct sentinel *sentinel)
{
	return sentinel->host[0] && loop_now_ms(sentinels->loop) - sentinel->said_ms < FRESH_MS;
}

static size_t count_votes(const struct sentinels *sentinels, const struct sentinel *candidate)
{
	size_t votes = 0;
	for (size_t i = 0; i < sentinels->count; i++) {
		const struct sentinel *other = &sentinels->items[i];
		votes += has_say(sentinels, other) && other->port == candidate->port &&
			 span_equal(span_of(other->host), span_of(candidate->host));
	}
	return votes;
}

static const struct sentinel *find_elected(const struct sentinels *sentinels, size_t *out_votes)
{
	const struct sentinel *elected = NULL;
	*out_votes = 0;
	for (size_t i = 0; i < sentinels->count; i++) {
		const struct sentinel *candidate = &sentinels->items[i];
		size_t votes = has_say(sentinels, candidate) ? count_votes(sentinels, candidate) : 0;
		if (votes > *out_votes) {
			*out_votes = votes;
			elected = candidate;
		}
	}
	return elected;
}

static enum status find_primary(const void *context, struct redis_address *out_address,
				char out_reason[REDIS_REASON_SIZE])
{
	const struct sentinels *sentinels = context;
	size_t votes;
	const struct sentinel *elected = find_elected(sentinels, &votes);
	if (votes * 2 <= sentinels->count) {
		snprintf(out_reason, REDIS_REASON_SIZE,
			 "no primary \"%.64s\": %zu of %zu Sentinels agree, more than half are needed",
			 sentinels->master, votes, sentinels->count);
		return STATUS_NOT_FOUND;
	}
	*out_address = (struct redis_address){ .host = span_of(elected->host),
					       .port = elected->port,
					       .is_secure = sentinels->is_secure };
	return STATUS_OK;
}

/* Tells of a primary that is another one, or that is known again. */
static void look_for_change(struct sentinels *sentinels)
{
	struct redis_address address;
	char reason[REDIS_REASON_SIZE];
	bool had_agreed = sentinels->agreed;
	sentinels->agreed = find_primary(sentinels, &address, reason) == STATUS_OK;
	if (!sentinels->agreed ||
	    (had_agreed && address.port == sentinels->port && span_equal(address.host, span_of(sentinels->host))))
		return;
	snprintf(sentinels->host, sizeof(sentinels->host), "%.*s", SPAN_ARGS(address.host));
	sentinels->port = address.port;
	redis_look_for_server(sentinels->redis);
}

/* ---- asking */

/* Not [host, port]: it knows no primary of that name, or is no Sentinel. */
static void note_answer(struct sentinel *sentinel, const struct redis_value *value)
{
	struct span host =
		redis_value_count(value) == 2 ? redis_value_text(redis_value_at(value, 0)) : (struct span){ 0 };
	uint64_t port = 0;
	sentinel->host[0] = '\0';
	if (host.size == 0 || host.size >= REDIS_HOST_SIZE ||
	    span_to_u64(redis_value_text(redis_value_at(value, 1)), &port) != STATUS_OK || port == 0 || port > 65535)
		return;
	snprintf(sentinel->host, sizeof(sentinel->host), "%.*s", SPAN_ARGS(host));
	sentinel->port = (uint16_t)port;
	sentinel->said_ms = loop_now_ms(sentinel->sentinels->loop);
}

static void on_named(void *context, enum status status, const struct redis_value *value)
{
	struct sentinel *sentinel = context;
	sentinel->is_asked = false;
	if (status != STATUS_OK)
		return;
	note_answer(sentinel, value);
	look_for_change(sentinel->sentinels);
}

static void ask_sentinel(struct sentinel *sentinel)
{
	const struct span arguments[] = { SPAN("SENTINEL"), SPAN("get-master-addr-by-name"),
					  span_of(sentinel->sentinels->master) };
	if (sentinel->is_asked || !redis_is_up(sentinel->redis))
		return;
	sentinel->is_asked = redis_call(sentinel->redis, arguments, 3, ANSWER_MS, on_named, sentinel) == STATUS_OK;
}

static void ask_all(void *context)
{
	struct sentinels *sentinels = context;
	for (size_t i = 0; i < sentinels->count; i++)
		ask_sentinel(&sentinels->items[i]);
	timer_set(sentinels->timer, ASK_MS);
}

static void on_connected(void *context, bool up, const char *reason)
{
	struct sentinel *sentinel = context;
	(void)reason;
	if (up)
		ask_sentinel(sentinel);
}

/* ---- life */

static enum status connect_sentinel(struct sentinels *sentinels, const struct redis_options *options, size_t index)
{
	struct sentinel *sentinel = &sentinels->items[index];
	const struct redis_options own = {
		.server = options->sentinels->items[index],
		.user = "",
		.password = options->sentinel_password,
		.ca_pem = options->ca_pem,
		.tls_name = options->tls_name,
		.default_port = SENTINEL_PORT,
		.on_change = on_connected,
		.context = sentinel,
	};
	sentinel->sentinels = sentinels;
	return redis_create(sentinels->loop, &own, &sentinel->redis);
}

static void free_sentinels(void *context)
{
	struct sentinels *sentinels = context;
	for (size_t i = 0; i < sentinels->count; i++)
		redis_free(&sentinels->items[i].redis);
	timer_free(&sentinels->timer);
	free(sentinels);
}

static enum status make_sentinels(struct loop *loop, const struct redis_options *options,
				  struct sentinels **out_sentinels)
{
	size_t count = options->sentinels->count;
	struct sentinels *sentinels = calloc(1, sizeof(*sentinels) + count * sizeof(sentinels->items[0]));
	if (sentinels == NULL)
		return STATUS_NO_MEMORY;
	sentinels->loop = loop;
	sentinels->master = options->master;
	sentinels->is_secure = redis_address_is_secure(span_of(options->sentinels->items[0]));
	sentinels->count = count;
	enum status status = timer_make(loop, ask_all, sentinels, &sentinels->timer);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = connect_sentinel(sentinels, options, i);
	if (status != STATUS_OK) {
		free_sentinels(sentinels);
		return status;
	}
	timer_set(sentinels->timer, ASK_MS);
	*out_sentinels = sentinels;
	return STATUS_OK;
}

void redis_options_read(const struct config_redis *config, const char *server, struct redis_options *out_options)
{
	*out_options = (struct redis_options){
		.server = server,
		.user = config->user,
		.tls_name = config->tls_name,
		.sentinels = &config->sentinels,
		.master = config->master,
	};
}

enum status redis_open(struct loop *loop, const struct redis_options *options, struct redis **out_redis)
{
	struct sentinels *sentinels = NULL;
	if (options->sentinels == NULL || options->sentinels->count == 0)
		return redis_create(loop, options, out_redis);
	TRY(make_sentinels(loop, options, &sentinels));
	const struct redis_finder finder = {
		.find = find_primary, .free = free_sentinels, .context = sentinels, .is_secure = sentinels->is_secure
	};
	TRY(redis_create_with_finder(loop, options, &finder, &sentinels->redis));
	*out_redis = sentinels->redis;
	return STATUS_OK;
}
