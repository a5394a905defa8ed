/* XADD for each record of a batch, all in one go. */
#include "export/redis_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "redis/script.h"

#define LIMIT_MS 10000  /* for the answers to a batch */
#define BACKOFF_MS 1000 /* after one that failed */
#define START_MS 250    /* that a Redis has to be connected, before it counts as away */
#define KEY_SIZE 256    /* bytes */

struct redis_stream {
	struct sender sender;
	struct loop *loop;
	struct redis *redis;
	struct sender_handler handler;
	char key[KEY_SIZE];
	char length[SCRIPT_NUMBER_SIZE];
	const struct feed_batch *batch; /* on loan; NULL: none */
	size_t awaited;                 /* answers to its calls */
	bool has_failed;                /* one of them, as `reason` says */
	char reason[SENDER_REASON_SIZE];
	struct timer *timer; /* of back-off */
	bool is_backing_off;
	struct turn_end step;
};

static void note_failure(struct redis_stream *stream, struct span reason)
{
	if (!stream->has_failed)
		snprintf(stream->reason, sizeof(stream->reason), "Redis: %.*s",
			 SPAN_ARGS(span_slice(reason, 0, sizeof(stream->reason) - 16)));
	stream->has_failed = true;
}

static void settle_batch(struct redis_stream *stream)
{
	bool has_failed = stream->has_failed;
	stream->batch = NULL;
	stream->has_failed = false;
	stream->is_backing_off = has_failed;
	if (has_failed)
		timer_set(stream->timer, BACKOFF_MS);
	stream->handler.on_change(stream->handler.context, !has_failed, stream->reason);
	stream->handler.on_settled(stream->handler.context, !has_failed);
}

static void take_answer(void *context, enum status status, const struct redis_value *value)
{
	struct redis_stream *stream = context;
	struct span error = status == STATUS_OK ? redis_value_error(value) : span_of(status_text(status));
	if (!span_is_empty(error))
		note_failure(stream, error);
	if (--stream->awaited == 0)
		settle_batch(stream);
}

static enum status add_record(struct redis_stream *stream, struct span record)
{
	const struct span arguments[] = {
		SPAN("XADD"), span_of(stream->key), SPAN("MAXLEN"), SPAN("~"), span_of(stream->length),
		SPAN("*"),    SPAN("record"),       record,
	};
	return redis_call(stream->redis, arguments, sizeof(arguments) / sizeof(arguments[0]), LIMIT_MS, take_answer,
			  stream);
}

/* What can't be asked for fails the batch, once what was is answered. */
static void take_step(void *context)
{
	struct redis_stream *stream = context;
	struct span messages = buf_span(&stream->batch->messages);
	struct span record;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && feed_cut_message(&messages, &record)) {
		status = add_record(stream, record);
		stream->awaited += status == STATUS_OK;
	}
	if (status != STATUS_OK)
		note_failure(stream, span_of(status_text(status)));
	if (stream->awaited == 0)
		settle_batch(stream);
}

static void on_timer(void *context)
{
	struct redis_stream *stream = context;
	stream->is_backing_off = false;
	stream->handler.on_ready(stream->handler.context);
}

/* A Redis that is away refuses the first call, and is asked again after a while. */
static bool stream_may_send(const struct sender *sender)
{
	const struct redis_stream *stream = (const struct redis_stream *)sender;
	return stream->batch == NULL && !stream->is_backing_off;
}

static void stream_send(struct sender *sender, const struct feed_batch *batch)
{
	struct redis_stream *stream = (struct redis_stream *)sender;
	stream->batch = batch;
	loop_at_turn_end(stream->loop, &stream->step);
}

static void stream_rest(struct sender *sender)
{
	(void)sender; /* the connection is that of the role */
}

static void stream_free_sender(struct sender **sender)
{
	struct redis_stream *stream = (struct redis_stream *)*sender;
	if (stream == NULL)
		return;
	loop_forget_turn_end(stream->loop, &stream->step);
	timer_free(&stream->timer);
	free(stream);
	*sender = NULL;
}

static const struct sender_kind kind = { stream_may_send, stream_send, stream_rest, stream_free_sender, 0 };

enum status redis_stream_create(struct loop *loop, struct redis *redis, const char *prefix, uint64_t length,
				const struct sender_handler *handler, struct sender **out_sender)
{
	struct redis_stream *stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return STATUS_NO_MEMORY;
	stream->sender.kind = &kind;
	stream->loop = loop;
	stream->redis = redis;
	stream->handler = *handler;
	stream->step = (struct turn_end){ .run = take_step, .context = stream };
	snprintf(stream->key, sizeof(stream->key), "%saudit", prefix);
	(void)script_write_number(length, stream->length);
	enum status status = timer_make(loop, on_timer, stream, &stream->timer);
	if (status != STATUS_OK) {
		free(stream);
		return status;
	}
	stream->is_backing_off = !redis_is_up(redis);
	if (stream->is_backing_off)
		timer_set(stream->timer, START_MS);
	*out_sender = &stream->sender;
	return STATUS_OK;
}
