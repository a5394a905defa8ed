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

#include "base/log.h"
#include "redis/redis_private.h"

#define REDIS_PORT 6379 /* where none is said */
#define RETRY_LAST_MS 5000
#define CONNECT_MS 3000            /* resolving, and connecting */
#define FIND_MS 1000               /* for the finder to know the server before it counts as away */
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

/* The time to connect is the handshake's, too. */
static void secure_or_log_in(struct redis *redis)
{
	const char *name = redis->options.tls_name;
	if (!redis->address.is_secure)
		log_in(redis);
	else if (stream_secure_client(redis->stream, redis->tls,
				      name && name[0] ? span_of(name) : redis->address.host) != STATUS_OK)
		lose_connection(redis, "can't begin TLS");
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
		secure_or_log_in(redis);
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
		log_in(redis);
		return;
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

static void resolve_server(struct redis *redis)
{
	redis->state = REDIS_RESOLVING;
	if (resolver_ask(redis->resolver, redis->address.host, redis->address.port, CONNECT_MS, on_resolved, redis,
			 &redis->resolution) != STATUS_OK)
		lose_connection(redis, "can't resolve the server's name");
}

/* ---- the server, by its finder */

static bool take_found_server(struct redis *redis)
{
	struct redis_address address;
	char reason[REDIS_REASON_SIZE];
	if (redis->finder.find(redis->finder.context, &address, reason) != STATUS_OK) {
		lose_connection(redis, reason);
		return false;
	}
	snprintf(redis->host, sizeof(redis->host), "%.*s", SPAN_ARGS(address.host));
	redis->address = address;
	redis->address.host = span_of(redis->host);
	return true;
}

void redis_look_for_server(struct redis *redis)
{
	struct redis_address address;
	char reason[REDIS_REASON_SIZE];
	if (redis->finder.find(redis->finder.context, &address, reason) != STATUS_OK)
		return;
	if (redis->state == REDIS_DOWN)
		timer_set(redis->retry, 0);
	else if (!span_equal(address.host, redis->address.host) || address.port != redis->address.port)
		redis_leave(redis, "the Sentinels name another primary");
}

/* Whether addresses of the name are left that have not been tried since it was resolved. */
static bool has_more_addresses(const struct redis *redis)
{
	return redis->next_address < redis->addresses.count;
}

static void start_connecting(void *context)
{
	struct redis *redis = context;
	if (has_more_addresses(redis)) {
		connect_to_next(redis);
		return;
	}
	if (redis->finder.context && !take_found_server(redis))
		return;
	if (redis->address.path.size)
		connect_unix(redis, redis->address.path);
	else
		resolve_server(redis);
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

/* A Redis without a certificate that we trust is none: nothing is sent to it. */
static enum status make_tls(struct redis *redis)
{
	const struct tls_client_options options = { .verify = true, .ca_pem = redis->options.ca_pem };
	char *error = NULL;
	enum status status = tls_client_create(&options, &redis->tls, &error);
	if (status != STATUS_OK)
		log_error("TLS with Redis: %s", error ? error : status_text(status));
	free(error);
	return status;
}

static enum status read_server(struct redis *redis)
{
	const struct redis_options *options = &redis->options;
	if (redis->finder.context == NULL)
		return redis_address_read(span_of(options->server),
					  options->default_port ? options->default_port : REDIS_PORT, &redis->address);
	redis->address.is_secure = redis->finder.is_secure;
	return STATUS_OK;
}

static enum status prepare_client(struct redis *redis)
{
	TRY(read_server(redis));
	if (redis->address.path.size == 0)
		TRY(resolver_create(redis->loop, &redis->resolver));
	if (redis->address.is_secure)
		TRY(make_tls(redis));
	redis->options.ca_pem = (struct span){ 0 }; /* the caller's, and not ours any longer */
	TRY(timer_make(redis->loop, on_deadline, redis, &redis->deadline));
	TRY(timer_make(redis->loop, redis_watch, redis, &redis->watch));
	return timer_make(redis->loop, start_connecting, redis, &redis->retry);
}

static void free_finder(const struct redis_finder *finder)
{
	if (finder->context)
		finder->free(finder->context);
}

enum status redis_create(struct loop *loop, const struct redis_options *options, struct redis **out_redis)
{
	return redis_create_with_finder(loop, options, &(const struct redis_finder){ 0 }, out_redis);
}

enum status redis_create_with_finder(struct loop *loop, const struct redis_options *options,
				     const struct redis_finder *finder, struct redis **out_redis)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	if (redis == NULL) {
		free_finder(finder);
		return STATUS_NO_MEMORY;
	}
	redis->loop = loop;
	redis->finder = *finder;
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
	timer_set(redis->retry, redis->finder.context ? FIND_MS : 0);
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
	free_finder(&redis->finder);
	stream_free(&redis->stream);
	tls_context_free(&redis->tls);
	if (redis->reader)
		redisReaderFree(redis->reader);
	resolver_cancel(&redis->resolution);
	resolver_free(&redis->resolver);
	timer_free(&redis->deadline);
	timer_free(&redis->retry);
	timer_free(&redis->watch);
	free(redis);
}

uint64_t redis_times_up(const struct redis *redis)
{
	return redis->times_up;
}

bool redis_is_up(const struct redis *redis)
{
	return redis->state == REDIS_UP;
}

bool redis_is_away(const struct redis *redis)
{
	return redis->told[0] != '\0';
}
