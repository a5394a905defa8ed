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

#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS 5000
#define CONNECT_MS 3000            /* resolving, connecting and logging in, each */
#define INPUT_MAXIMUM (256U << 10) /* bytes unread; the reader takes them every turn */
#define OUTPUT_MAXIMUM (4U << 20)  /* bytes unsent */

static void lose(struct redis *redis, const char *reason);

static void start_deadline(struct redis *redis, uint64_t delay_ms)
{
	redis->deadline_at = loop_now_ms(redis->loop) + delay_ms;
	timer_set(redis->deadline, delay_ms);
}

static void clear_deadline(struct redis *redis)
{
	redis->deadline_at = 0;
	timer_clear(redis->deadline);
}

static void tell_change(struct redis *redis, bool up, const char *reason)
{
	if (redis->options.on_change)
		redis->options.on_change(redis->options.context, up, reason);
}

static void come_up(struct redis *redis)
{
	redis->state = REDIS_UP;
	redis->retry_ms = RETRY_FIRST_MS;
	redis->told[0] = '\0';
	tell_change(redis, true, "connected");
}

static void on_login(void *context, enum status status, const struct redis_value *value)
{
	struct redis *redis = context;
	if (status != STATUS_OK || redis->state != REDIS_LOGGING_IN)
		return; /* the connection is gone, and that was told */
	if (redis_value_type(value) == REDIS_ERROR) {
		char reason[REDIS_REASON_SIZE];
		struct span text = redis_value_text(value);
		snprintf(reason, sizeof(reason), "login refused: %.*s", (int)(text.size < 120 ? text.size : 120),
			 text.data);
		lose(redis, reason);
		return;
	}
	if (redis->pending.first == NULL)
		come_up(redis);
}

static enum status send_login(struct redis *redis)
{
	struct redis_handler login = { .callback = on_login, .context = redis };
	struct span user = span_of(redis->options.user);
	struct span arguments[3] = { SPAN("AUTH") };
	size_t count = 1;
	if (user.size)
		arguments[count++] = user;
	arguments[count++] = secret_reveal(redis->options.password);
	return redis_send(redis, arguments, count, CONNECT_MS, login);
}

static void log_in(struct redis *redis)
{
	const struct secret *password = redis->options.password;
	struct redis_handler login = { .callback = on_login, .context = redis };
	struct span ping = SPAN("PING");
	redis->state = REDIS_LOGGING_IN;
	clear_deadline(redis);
	enum status status = password && !secret_is_empty(password) ? send_login(redis) : STATUS_OK;
	if (status == STATUS_OK)
		status = redis_send(redis, &ping, 1, CONNECT_MS, login);
	if (status != STATUS_OK)
		lose(redis, status_text(status));
}

static void take_input(struct redis *redis)
{
	struct buf *input = stream_input(redis->stream);
	struct span bytes = buf_span(input);
	if (redisReaderFeed(redis->reader, bytes.data, bytes.size) != REDIS_OK) {
		lose(redis, "out of memory for a reply");
		return;
	}
	redis->reply_bytes += bytes.size;
	buf_consume(input, bytes.size);
	enum status status = redis_take_replies(redis);
	if (status == STATUS_INVALID)
		lose(redis, "what answers there is not Redis");
	else if (status == STATUS_TOO_LARGE)
		lose(redis, "reply too large");
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
		lose(redis, "closed by Redis");
		return;
	case STREAM_FAILED:
		lose(redis, stream_error(stream));
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
		lose(redis, "out of memory");
		return;
	}
	redis->state = REDIS_CONNECTING;
	start_deadline(redis, CONNECT_MS);
	if (stream_connect(redis->loop, address, size, &options, &redis->stream) != STATUS_OK)
		lose(redis, "can't connect");
}

static void on_resolved(void *context, const struct resolver_answer *answer)
{
	struct redis *redis = context;
	redis->resolution = NULL;
	if (answer->status != STATUS_OK) {
		lose(redis, answer->reason);
		return;
	}
	connect_to(redis, (const struct sockaddr *)&answer->endpoints[0].storage, answer->endpoints[0].size);
}

static void connect_unix(struct redis *redis, struct span path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (path.size >= sizeof(address.sun_path)) {
		lose(redis, "the socket's path is too long");
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

static void resolve(struct redis *redis, struct span server)
{
	struct span host;
	uint16_t port;
	redis->state = REDIS_RESOLVING;
	if (split_host(server, &host, &port) != STATUS_OK ||
	    resolver_ask(redis->resolver, host, port, CONNECT_MS, on_resolved, redis, &redis->resolution) != STATUS_OK)
		lose(redis, "can't resolve the server's name");
}

static void start(void *context)
{
	struct redis *redis = context;
	struct span server = span_of(redis->options.server);
	if (span_starts_with(server, SPAN("unix:")))
		connect_unix(redis, span_slice(server, 5, server.size));
	else
		resolve(redis, span_slice(server, sizeof("redis://") - 1, server.size));
}

/* Each try may fail for a reason of its own; the same one is told once. */
static void tell_down(struct redis *redis, const char *reason)
{
	if (strncmp(redis->told, reason, sizeof(redis->told) - 1) == 0)
		return;
	snprintf(redis->told, sizeof(redis->told), "%s", reason);
	tell_change(redis, false, redis->told);
}

/* Drops the connection; what was pending may still run. */
static void lose(struct redis *redis, const char *reason)
{
	tell_down(redis, reason);
	redis->state = REDIS_DOWN;
	stream_free(&redis->stream);
	if (redis->reader)
		redisReaderFree(redis->reader);
	redis->reader = NULL;
	redis->reply_bytes = 0;
	clear_deadline(redis);
	timer_set(redis->retry, redis->retry_ms);
	redis->retry_ms = redis->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : redis->retry_ms * 2;
	redis_queue_fail(&redis->pending, STATUS_TIMEOUT);
}

/* The earliest deadline passed, unless its call has been answered since: then the next one is found. */
static void on_deadline(void *context)
{
	struct redis *redis = context;
	uint64_t now = loop_now_ms(redis->loop);
	uint64_t next = 0;
	redis->deadline_at = 0;
	if (redis->state == REDIS_CONNECTING) {
		lose(redis, "connecting took too long");
		return;
	}
	for (const struct redis_call *call = redis->pending.first; call; call = call->next) {
		if (call->deadline_ms <= now) {
			lose(redis, "no answer in time");
			return;
		}
		if (next == 0 || call->deadline_ms < next)
			next = call->deadline_ms;
	}
	if (next)
		start_deadline(redis, next - now);
}

static void tell_refused(void *context)
{
	struct redis *redis = context;
	redis_queue_fail(&redis->refused, STATUS_UNAVAILABLE);
}

static enum status prepare(struct redis *redis)
{
	struct span server = span_of(redis->options.server);
	if (span_starts_with(server, SPAN("redis://")))
		TRY(resolver_create(redis->loop, &redis->resolver));
	else if (!span_starts_with(server, SPAN("unix:")))
		return STATUS_INVALID;
	TRY(timer_make(redis->loop, on_deadline, redis, &redis->deadline));
	return timer_make(redis->loop, start, redis, &redis->retry);
}

enum status redis_create(struct loop *loop, const struct redis_options *options, struct redis **out_redis)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	if (redis == NULL)
		return STATUS_NO_MEMORY;
	redis->loop = loop;
	redis->options = *options;
	redis->retry_ms = RETRY_FIRST_MS;
	redis->tell_refused = (struct turn_end){ .run = tell_refused, .context = redis };
	redis_queue_init(&redis->pending);
	redis_queue_init(&redis->refused);
	enum status status = prepare(redis);
	if (status != STATUS_OK) {
		redis_free(&redis);
		return status;
	}
	timer_set(redis->retry, 0);
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
	free(redis);
}

bool redis_is_up(const struct redis *redis)
{
	return redis->state == REDIS_UP;
}
