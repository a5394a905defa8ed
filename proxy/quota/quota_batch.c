/*
 * Batches: what waits is sent at the end of the turn. A sharded Redis takes no call about names of several shards: what
 * it refuses is asked again one by one. Owns the questions until they are answered.
 */
#include "quota/quota_batch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "quota/quota_private.h"
#include "redis/script.h"

#define ARGUMENTS 4                                                 /* besides keys */
#define KEYS 2U                                                     /* of a name: its counts, and its locks */
#define NAMES_MAXIMUM ((REDIS_SCRIPT_ARGUMENTS - ARGUMENTS) / KEYS) /* of one call */
#define KEYS_MAXIMUM (KEYS * NAMES_MAXIMUM)

/* Questions on their way, as many as `count`. */
struct batch_call {
	struct quota_batch *batch;
	struct quota_questions questions;
	size_t count;
};

static struct quota_question *take_first(struct quota_questions *questions)
{
	struct quota_question *question = TAILQ_FIRST(questions);
	if (question)
		TAILQ_REMOVE(questions, question, in_list);
	return question;
}

static void answer_all(struct batch_call *call, const struct redis_value *value)
{
	struct quota_question *question;
	for (size_t i = 0; (question = take_first(&call->questions)) != NULL; i++)
		question->on_answer(question, value ? redis_value_at(value, i) : NULL);
	free(call);
}

/* ---- sending */

static enum status write_keys(const struct quota_batch *batch, const struct quota_name *given, struct buf *keys,
			      size_t out_ends[KEYS])
{
	char name[QUOTA_USER_MAXIMUM];
	TRY(quota_name_of(given, name));
	TRY(quota_write_key(keys, batch->quota->prefix, "quota", span_of(name)));
	out_ends[0] = buf_size(keys);
	TRY(quota_write_key(keys, batch->quota->prefix, "lock", span_of(name)));
	out_ends[1] = buf_size(keys);
	return STATUS_OK;
}

static void on_answered(void *context, enum status status, const struct redis_value *value);

static enum status send_call(struct batch_call *call)
{
	struct quota *quota = call->batch->quota;
	uint64_t now_s = clock_wall_us() / 1000000;
	char clock[SCRIPT_NUMBER_SIZE];
	size_t ends[KEYS_MAXIMUM], count = 0, begin = 0;
	struct span arguments[KEYS_MAXIMUM + ARGUMENTS];
	struct buf keys BUF_AUTO;
	const struct quota_question *question = NULL;
	buf_init(&keys, KEYS_MAXIMUM * QUOTA_KEY_MAXIMUM);
	TAILQ_FOREACH(question, &call->questions, in_list)
	{
		TRY(write_keys(call->batch, &question->name, &keys, ends + count));
		count += KEYS;
	}
	for (size_t i = 0; i < count; begin = ends[i++])
		arguments[i] = span_slice(buf_span(&keys), begin, ends[i]);
	arguments[count] = script_write_number(now_s, clock);
	arguments[count + 1] = quota_days_text(&quota->days, now_s);
	arguments[count + 2] = quota->is_rolling ? SPAN("rolling") : SPAN("day");
	arguments[count + 3] = call->batch->what;
	return redis_run_script(quota->redis, &quota->show, arguments, count + ARGUMENTS, count, QUOTA_CALL_MS,
				on_answered, call);
}

static void send_or_fail(struct batch_call *call)
{
	if (send_call(call) != STATUS_OK)
		answer_all(call, NULL);
}

/* The first of the questions, at most so many, in one call; they are answered if there is no memory for it. */
static void send_some(struct quota_batch *batch, struct quota_questions *questions, size_t most)
{
	struct batch_call *call = calloc(1, sizeof(*call));
	struct quota_question *question;
	if (call == NULL) {
		question = take_first(questions);
		question->on_answer(question, NULL);
		return;
	}
	call->batch = batch;
	TAILQ_INIT(&call->questions);
	for (; call->count < most && (question = take_first(questions)) != NULL; call->count++)
		TAILQ_INSERT_TAIL(&call->questions, question, in_list);
	send_or_fail(call);
}

static void send_waiting(void *context)
{
	struct quota_batch *batch = context;
	while (!TAILQ_EMPTY(&batch->waiting))
		send_some(batch, &batch->waiting, NAMES_MAXIMUM);
}

/* ---- answers */

static bool is_of_several_shards(const struct batch_call *call, enum status status, const struct redis_value *value)
{
	return call->count > 1 && status == STATUS_OK && span_starts_with(redis_value_error(value), SPAN("CROSSSLOT"));
}

static void on_answered(void *context, enum status status, const struct redis_value *value)
{
	struct batch_call *call = context;
	if (is_of_several_shards(call, status, value)) {
		while (!TAILQ_EMPTY(&call->questions))
			send_some(call->batch, &call->questions, 1);
		free(call);
		return;
	}
	answer_all(call, script_has_answered(status, value, call->count) ? value : NULL);
}

/* ---- life */

void quota_batch_free(struct quota_batch *batch)
{
	struct quota_question *question;
	if (batch->end.run == NULL)
		return;
	loop_forget_turn_end(batch->quota->loop, &batch->end);
	while ((question = take_first(&batch->waiting)) != NULL)
		free(question);
}

enum status quota_batch_ask(struct quota_batch *batch, struct quota_question *question)
{
	char name[QUOTA_USER_MAXIMUM];
	TRY(quota_name_of(&question->name, name)); /* one that is too long would fail those of others, too */
	if (batch->end.run == NULL) {
		batch->end = (struct turn_end){ .run = send_waiting, .context = batch };
		TAILQ_INIT(&batch->waiting);
	}
	TAILQ_INSERT_TAIL(&batch->waiting, question, in_list);
	loop_at_turn_end(batch->quota->loop, &batch->end);
	return STATUS_OK;
}
