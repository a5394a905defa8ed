/* Refused recipients: the one call to Redis. Owns what it made; borrows the Redis client. */
#include "quota/refused.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define CALL_MS 3000     /* a call beyond it counts as failed */
#define KEY_MAXIMUM 1024 /* bytes */
#define NUMBER_SIZE 24   /* bytes: a 64-bit number and its NUL */
#define ANSWER 5         /* values in the script's answer */

static const char source[] =
#include "quota/refused.lua.h"
	;

struct refused_recipients {
	struct redis *redis;
	struct redis_script script;
	char *prefix;
};

/* One call under way. */
struct question {
	uint64_t limit;
	refused_callback *callback;
	void *context;
};

enum status refused_create(struct redis *redis, const char *prefix, struct refused_recipients **out_refused)
{
	struct refused_recipients *refused = calloc(1, sizeof(*refused));
	if (refused == NULL)
		return STATUS_NO_MEMORY;
	refused->redis = redis;
	refused->prefix = strdup(prefix);
	enum status status = refused->prefix ? redis_script_init(&refused->script, source) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		refused_free(&refused);
		return status;
	}
	*out_refused = refused;
	return STATUS_OK;
}

void refused_free(struct refused_recipients **refused)
{
	if (*refused == NULL)
		return;
	free((*refused)->prefix);
	free(*refused);
	*refused = NULL;
}

static uint64_t number_at(const struct redis_value *value, size_t index)
{
	int64_t number = redis_value_integer(redis_value_at(value, index));
	return number > 0 ? (uint64_t)number : 0;
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct question *question = context;
	struct refused_count count = { .limit = question->limit };
	bool is_answer =
		status == STATUS_OK && redis_value_type(value) == REDIS_ARRAY && redis_value_count(value) == ANSWER;
	if (is_answer) {
		uint64_t now_s = number_at(value, 4);
		count.counted = number_at(value, 0);
		count.refused = number_at(value, 1);
		count.free_at = number_at(value, 2);
		count.free_in_s = count.free_at > now_s ? count.free_at - now_s : 0;
		count.is_reached = number_at(value, 3);
	}
	question->callback(question->context, is_answer ? &count : NULL);
	free(question);
}

/* The prefix, "refused:", the name in braces: one slot of a sharded Redis. */
static enum status write_key(struct buf *b, const char *prefix, struct span user)
{
	TRY(buf_append_text(b, prefix));
	TRY(buf_append_text(b, "refused:{"));
	TRY(buf_append(b, user));
	return buf_append_byte(b, '}');
}

static enum status run(struct refused_recipients *refused, struct span user, uint64_t more, struct question *question)
{
	struct buf key BUF_AUTO;
	char numbers[2][NUMBER_SIZE];
	buf_init(&key, KEY_MAXIMUM);
	TRY(write_key(&key, refused->prefix, user));
	snprintf(numbers[0], NUMBER_SIZE, "%" PRIu64, question->limit);
	snprintf(numbers[1], NUMBER_SIZE, "%" PRIu64, more);
	const struct span arguments[] = { buf_span(&key), span_of(numbers[0]), span_of(numbers[1]) };
	return redis_run_script(refused->redis, &refused->script, arguments, 3, 1, CALL_MS, on_answer, question);
}

enum status refused_count(struct refused_recipients *refused, struct span user, uint64_t limit, uint64_t more,
			  refused_callback *callback, void *context)
{
	struct question *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return STATUS_NO_MEMORY;
	*question = (struct question){ limit, callback, context };
	enum status status = run(refused, user, more, question);
	if (status != STATUS_OK)
		free(question);
	return status;
}
