/*
 * The connection: resolved, connected, logged in, watched, and made again
 * with back-off when it is lost. Owns the stream, the reader and all pending
 * calls; a lost connection ends them with STATUS_TIMEOUT, since what was sent may still run.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "redis/redis_private.h"

#define RETRY_LAST_MS 5000
#define CONNECT_MS 3000            /* resolving, and connecting */
#define INPUT_MAXIMUM (256U << 10) /* bytes unread; the reader takes them every turn */
#define OUTPUT_MAXIMUM (4U << 20)  /* bytes unsent */

static void lose_connection(struct redis *redis, const char *reason);

static void log_in(struct redis *redis)
{
	redis->state = REDIS_LOGGING_IN;
	redis_clear_deadline(redis);
	enum status status = redis_log_in(redis);
	if (status != STATUS_OK)
		lose_connection(redis, status_text(status));
}

static void take_input(struct redis *redis)
{
	struct buf *input = stream_input(redis->stream);
	struct span bytes = buf_span(input);
	if (redisReaderFeed(redis->reader, bytes.data, bytes.size) != REDIS_OK) {
		lose_connection(redis, "out of memory for a reply");
		return;
	}
	redis->reply_bytes += bytes.size;
	buf_consume(input, bytes.size);
	enum status status = redis_take_replies(redis);
	if (status == STATUS_INVALID)
		lose_connection(redis, "what answers there is not Redis");
	else if (status == STATUS_TOO_LARGE)
		lose_connection(redis, "reply too large");
	else if (redis->state == REDIS_LEAVING && redis->pending.first == NULL)
		lose_connection(redis, redis->reason);
}

static void on_event(void *context, struct stream *stream, enum stream_event event)
{
	struct redis *redis = context;
	switch (event) {
	case STREAM_CONNECTED:
		log_in(redis);
		return;
	case STREAM_INPUT:
		take_input(redis);
		return;
	case STREAM_ENDED:
		lose_connection(redis, "closed by Redis");
		return;
	case STREAM_FAILED:
		lose_connection(redis, stream_error(stream));
		return;
	case STREAM_SECURED:
	case STREAM_DRAINED:
	case STREAM_TIMEOUT:
		return;
	}
}

static void connect_to(struct redis *redis, const struct sockaddr *address, unsigned size)
{
	struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM,
		.output_maximum = OUTPUT_MAXIMUM,
		.on_event = on_event,
		.context = redis,
	};
	redis->reader = redisReaderCreate();
	if (redis->reader == NULL) {
		lose_connection(redis, "out of memory");
		return;
	}
	redis->state = REDIS_CONNECTING;
	redis_start_deadline(redis, CONNECT_MS);
	if (stream_connect(redis->loop, address, size, &options, &redis->stream) != STATUS_OK)
		lose_connection(redis, "can't connect");
}

static void connect_to_next(struct redis *redis)
{
	const struct endpoint *endpoint = &redis->addresses.endpoints[redis->next_address++];
	connect_to(redis, (const struct sockaddr *)&endpoint->storage, endpoint->size);
}

static void on_resolved(void *context, const struct resolver_answer *answer)
{
	struct redis *redis = context;
	redis->resolution = NULL;
	if (answer->status != STATUS_OK) {
		lose_connection(redis, answer->reason);
		return;
	}
	redis->addresses = *answer;
	redis->next_address = 0;
	connect_to_next(redis);
}

static void connect_unix(struct redis *redis, struct span path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (path.size >= sizeof(address.sun_path)) {
		lose_connection(redis, "the socket's path is too long");
		return;
	}
	memcpy(address.sun_path, path.data, path.size);
	connect_to(redis, (const struct sockaddr *)&address,
		   (unsigned)(offsetof(struct sockaddr_un, sun_path) + path.size + 1));
}

/* "host:port" or "[literal]:port"; the port is 6379 when left out. */
static enum status split_host(struct span text, struct span *out_host, uint16_t *out_port)
{
	size_t colon = text.size;
	uint64_t port = 6379;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == ':')
			colon = i;
		if (text.data[i] == ']')
			colon = text.size;
	}
	struct span host = span_slice(text, 0, colon);
	if (colon < text.size)
		TRY(span_to_u64(span_slice(text, colon + 1, text.size), &port));
	if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
		host = span_slice(host, 1, host.size - 1);
	if (host.size == 0 || port == 0 || port > 65535)
		return STATUS_INVALID;
	*out_host = host;
	*out_port = (uint16_t)port;
	return STATUS_OK;
}

static void resolve_server(struct redis *redis, struct span server)
{
	struct span host;
	uint16_t port;
	redis->state = REDIS_RESOLVING;
	if (split_host(server, &host, &port) != STATUS_OK ||
	    resolver_ask(redis->resolver, host, port, CONNECT_MS, on_resolved, redis, &redis->resolution) != STATUS_OK)
		lose_connection(redis, "can't resolve the server's name");
}

/* Whether addresses of the name are left that have not been tried since it was resolved. */
static bool has_more_addresses(const struct redis *redis)
{
	return redis->next_address < redis->addresses.count;
}

static void start_connecting(void *context)
{
	struct redis *redis = context;
	struct span server = span_of(redis->options.server);
	if (has_more_addresses(redis))
		connect_to_next(redis);
	else if (span_starts_with(server, SPAN("unix:")))
		connect_unix(redis, span_slice(server, 5, server.size));
	else
		resolve_server(redis, span_slice(server, sizeof("redis://") - 1, server.size));
}

static void close_connection(struct redis *redis)
{
	redis->state = REDIS_DOWN;
	stream_free(&redis->stream);
	if (redis->reader)
		redisReaderFree(redis->reader);
	redis->reader = NULL;
	redis->reply_bytes = 0;
	redis_clear_deadline(redis);
}

/* When several addresses fail, the reason told is that of a Redis that answered, rather than of one that did not. */
static void note_reason(struct redis *redis, const char *reason)
{
	bool has_answered = redis->state == REDIS_LOGGING_IN || redis->state == REDIS_LEAVING;
	if (reason == redis->reason || (redis->next_address > 1 && !has_answered))
		return;
	snprintf(redis->reason, sizeof(redis->reason), "%s", reason);
}

/* Drops the connection; what was pending may still run. The name's next address is tried at once. */
static void lose_connection(struct redis *redis, const char *reason)
{
	note_reason(redis, reason);
	close_connection(redis);
	if (has_more_addresses(redis)) {
		timer_set(redis->retry, 0);
	} else {
		redis_tell_down(redis, redis->reason);
		redis->addresses.count = redis->next_address = 0;
		timer_set(redis->retry, redis->retry_ms);
		redis->retry_ms = redis->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : redis->retry_ms * 2;
	}
	redis_queue_fail(&redis->pending, STATUS_TIMEOUT);
}

/* The earliest deadline has passed; if its call was answered since, the next deadline is set. */
static void on_deadline(void *context)
{
	struct redis *redis = context;
	uint64_t now = loop_now_ms(redis->loop);
	uint64_t next = 0;
	redis->deadline_at = 0;
	if (redis->state == REDIS_CONNECTING) {
		lose_connection(redis, "connecting took too long");
		return;
	}
	if (redis->state == REDIS_LEAVING && redis->pending.first == NULL) {
		lose_connection(redis, redis->reason);
		return;
	}
	for (const struct redis_call *call = redis->pending.first; call; call = call->next) {
		if (call->deadline_ms <= now) {
			lose_connection(redis, "no answer in time");
			return;
		}
		if (next == 0 || call->deadline_ms < next)
			next = call->deadline_ms;
	}
	if (next)
		redis_start_deadline(redis, next - now);
}

static void tell_refused(void *context)
{
	struct redis *redis = context;
	redis_queue_fail(&redis->refused, STATUS_UNAVAILABLE);
}

static enum status prepare_client(struct redis *redis)
{
	struct span server = span_of(redis->options.server);
	if (span_starts_with(server, SPAN("redis://")))
		TRY(resolver_create(redis->loop, &redis->resolver));
	else if (!span_starts_with(server, SPAN("unix:")))
		return STATUS_INVALID;
	TRY(timer_make(redis->loop, on_deadline, redis, &redis->deadline));
	TRY(timer_make(redis->loop, redis_watch, redis, &redis->watch));
	return timer_make(redis->loop, start_connecting, redis, &redis->retry);
}

enum status redis_create(struct loop *loop, const struct redis_options *options, struct redis **out_redis)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	if (redis == NULL)
		return STATUS_NO_MEMORY;
	redis->loop = loop;
	redis->options = *options;
	redis->retry_ms = REDIS_RETRY_FIRST_MS;
	redis->tell_refused = (struct turn_end){ .run = tell_refused, .context = redis };
	redis_queue_init(&redis->pending);
	redis_queue_init(&redis->refused);
	enum status status = prepare_client(redis);
	if (status != STATUS_OK) {
		redis_free(&redis);
		return status;
	}
	timer_set(redis->retry, 0);
	redis_watch(redis);
	*out_redis = redis;
	return STATUS_OK;
}

void redis_free(struct redis **redis_at)
{
	struct redis *redis = *redis_at;
	if (redis == NULL)
		return;
	*redis_at = NULL;
	redis_queue_drop(&redis->pending);
	redis_queue_drop(&redis->refused);
	loop_forget_turn_end(redis->loop, &redis->tell_refused);
	stream_free(&redis->stream);
	if (redis->reader)
		redisReaderFree(redis->reader);
	resolver_cancel(&redis->resolution);
	resolver_free(&redis->resolver);
	timer_free(&redis->deadline);
	timer_free(&redis->retry);
	timer_free(&redis->watch);
	free(redis);
}

bool redis_is_up(const struct redis *redis)
{
	return redis->state == REDIS_UP;
}
