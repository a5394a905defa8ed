/*
 * The calls pending on a connection: written in order, answered in order.
 * Owns the queue's entries; a callback may make new calls.
 */
#include <stdlib.h>
#include <string.h>

#include "redis/redis_private.h"

#define REDIS_ARGUMENTS 64 /* of one command, at most */
#define REDIS_SMALL 2048   /* bytes of a command that needs no memory of its own */
#define COUNT_SIZE 25      /* bytes, at most: the kind, 20 digits, CRLF, and the CRLF of what it counts */

void redis_queue_init(struct redis_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void queue_call(struct redis_queue *queue, struct redis_call *call)
{
	*queue->last = call;
	queue->last = &call->next;
}

static struct redis_call *take_first_call(struct redis_queue *queue)
{
	struct redis_call *call = queue->first;
	if (call) {
		queue->first = call->next;
		if (queue->first == NULL)
			queue->last = &queue->first;
	}
	return call;
}

void redis_queue_fail(struct redis_queue *queue, enum status status)
{
	struct redis_call *call = queue->first;
	redis_queue_init(queue);
	while (call) {
		struct redis_call *next = call->next;
		call->handler.callback(call->handler.context, status, NULL);
		free(call);
		call = next;
	}
}

void redis_queue_drop(struct redis_queue *queue)
{
	struct redis_call *call;
	while ((call = take_first_call(queue)) != NULL) {
		if (call->handler.on_dropped)
			call->handler.on_dropped(call->handler.context);
		free(call);
	}
}

static struct redis_call *make_call(struct redis_handler handler, uint64_t deadline_ms)
{
	struct redis_call *call = malloc(sizeof(*call));
	if (call)
		*call = (struct redis_call){ .handler = handler, .deadline_ms = deadline_ms };
	return call;
}

static void mind_deadline(struct redis *redis, uint64_t at)
{
	uint64_t now = loop_now_ms(redis->loop);
	if (redis->deadline_at != 0 && redis->deadline_at <= at)
		return;
	redis->deadline_at = at;
	timer_set(redis->deadline, at > now ? at - now : 0);
}

/* "*3\r\n" and "$5\r\n": hiredis would print each of them. */
static char *put_count(char *at, char kind, size_t count)
{
	char digits[20];
	size_t size = 0;
	do {
		digits[size++] = (char)('0' + count % 10);
		count /= 10;
	} while (count);
	*at++ = kind;
	while (size)
		*at++ = digits[--size];
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

static size_t write_resp(char *command, const struct span *arguments, size_t count)
{
	char *at = put_count(command, '*', count);
	for (size_t i = 0; i < count; i++) {
		at = put_count(at, '$', arguments[i].size);
		if (arguments[i].size)
			memcpy(at, arguments[i].data, arguments[i].size);
		at += arguments[i].size;
		*at++ = '\r';
		*at++ = '\n';
	}
	return (size_t)(at - command);
}

static enum status write_command(struct redis *redis, const struct span *arguments, size_t count)
{
	char small[REDIS_SMALL], *command = small;
	size_t room = COUNT_SIZE;
	if (count > REDIS_ARGUMENTS)
		return STATUS_TOO_LARGE;
	for (size_t i = 0; i < count; i++)
		room += COUNT_SIZE + arguments[i].size;
	if (room > sizeof(small) && (command = malloc(room)) == NULL)
		return STATUS_NO_MEMORY;
	size_t size = write_resp(command, arguments, count);
	enum status status = stream_write(redis->stream, (struct span){ command, size });
	explicit_bzero(command, size); /* AUTH carries the password */
	if (command != small)
		free(command);
	return status;
}

enum status redis_send(struct redis *redis, const struct span *arguments, size_t count, uint64_t limit_ms,
		       struct redis_handler handler)
{
	struct redis_call *call = make_call(handler, loop_now_ms(redis->loop) + limit_ms);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	enum status status = write_command(redis, arguments, count);
	if (status != STATUS_OK) {
		free(call);
		return status;
	}
	queue_call(&redis->pending, call);
	mind_deadline(redis, call->deadline_ms);
	return STATUS_OK;
}

enum status redis_submit(struct redis *redis, const struct span *arguments, size_t count, uint64_t limit_ms,
			 struct redis_handler handler)
{
	if (redis->state == REDIS_UP)
		return redis_send(redis, arguments, count, limit_ms, handler);
	struct redis_call *call = make_call(handler, 0);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	queue_call(&redis->refused, call);
	loop_at_turn_end(redis->loop, &redis->tell_refused);
	return STATUS_OK;
}

enum status redis_call(struct redis *redis, const struct span *arguments, size_t count, uint64_t limit_ms,
		       redis_callback *callback, void *context)
{
	struct redis_handler handler = { .callback = callback, .context = context };
	return redis_submit(redis, arguments, count, limit_ms, handler);
}

/* What a replica says, and a Redis that has just started: the name may lead to another one by now. */
static bool is_not_the_primary(const struct redis_value *value)
{
	static const struct span codes[] = { SPAN("READONLY"), SPAN("MASTERDOWN"), SPAN("LOADING") };
	struct span error = redis_value_error(value);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (span_starts_with(error, codes[i]))
			return true;
	return false;
}

static void leave_with_error(struct redis *redis, const struct redis_value *value)
{
	char reason[REDIS_REASON_SIZE];
	struct span error = redis_value_error(value);
	snprintf(reason, sizeof(reason), "%.*s", (int)(error.size < 120 ? error.size : 120), error.data);
	redis_leave(redis, reason);
}

/* Gives the first pending call its reply. False when the callback lost the connection. */
static bool tell_reply(struct redis *redis, void *reply)
{
	struct stream *stream = redis->stream;
	struct redis_call *call = take_first_call(&redis->pending);
	if (redis->state == REDIS_UP && is_not_the_primary(reply))
		leave_with_error(redis, reply);
	call->handler.callback(call->handler.context, STATUS_OK, reply);
	free(call);
	freeReplyObject(reply);
	return redis->stream == stream;
}

enum status redis_take_replies(struct redis *redis)
{
	for (;;) {
		void *reply = NULL;
		if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK)
			return STATUS_INVALID;
		if (reply == NULL)
			return redis->reply_bytes > REDIS_REPLY_MAXIMUM ? STATUS_TOO_LARGE : STATUS_OK;
		redis->reply_bytes = 0;
		if (redis->pending.first == NULL) {
			freeReplyObject(reply);
			return STATUS_INVALID;
		}
		if (!tell_reply(redis, reply))
			return STATUS_END;
	}
}
