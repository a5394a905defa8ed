/*
 * Scripts: EVALSHA, and once more with the whole source where Redis has
 * forgotten it (NOSCRIPT: it has not run). Owns a copy of the arguments until then.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/number.h"
#include "redis/redis_private.h"

struct script_run {
	struct redis *redis;
	const struct redis_script *script;
	redis_callback *callback;
	void *context;
	uint64_t deadline_ms;
	size_t count, keys;
	struct span arguments[]; /* views of the bytes after the last one */
};

enum status redis_script_init(struct redis_script *script, const char *source)
{
	script->source = source;
	return hash_sha1_hex(span_of(source), script->sha1);
}

static enum status send_run(struct script_run *run, struct span verb, struct span script, uint64_t limit_ms,
			    redis_callback *callback)
{
	struct span arguments[REDIS_SCRIPT_ARGUMENTS + 3] = { verb, script };
	char keys[NUMBER_DIGITS];
	arguments[2] = (struct span){ keys, number_write(run->keys, keys) };
	memcpy(arguments + 3, run->arguments, run->count * sizeof(run->arguments[0]));
	struct redis_handler handler = { .callback = callback, .context = run, .on_dropped = free };
	return redis_submit(run->redis, arguments, run->count + 3, limit_ms, handler);
}

static void finish_run(struct script_run *run, enum status status, const struct redis_value *value)
{
	run->callback(run->context, status, value);
	free(run);
}

static void on_eval(void *context, enum status status, const struct redis_value *value)
{
	finish_run(context, status, value);
}

static void on_evalsha(void *context, enum status status, const struct redis_value *value)
{
	struct script_run *run = context;
	if (status == STATUS_OK && redis_value_type(value) == REDIS_ERROR &&
	    span_starts_with(redis_value_text(value), SPAN("NOSCRIPT"))) {
		uint64_t now = loop_now_ms(run->redis->loop);
		uint64_t limit_ms = run->deadline_ms > now ? run->deadline_ms - now : 1;
		if (send_run(run, SPAN("EVAL"), span_of(run->script->source), limit_ms, on_eval) == STATUS_OK)
			return;
		finish_run(run, STATUS_UNAVAILABLE, NULL);
		return;
	}
	finish_run(run, status, value);
}

static struct script_run *make_run(const struct span *arguments, size_t count)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++)
		size += arguments[i].size;
	struct script_run *run = malloc(sizeof(*run) + count * sizeof(run->arguments[0]) + size);
	if (run == NULL)
		return NULL;
	*run = (struct script_run){ .count = count };
	char *at = (char *)(run->arguments + count);
	for (size_t i = 0; i < count; i++) {
		if (arguments[i].size)
			memcpy(at, arguments[i].data, arguments[i].size);
		run->arguments[i] = (struct span){ at, arguments[i].size };
		at += arguments[i].size;
	}
	return run;
}

enum status redis_run_script(struct redis *redis, const struct redis_script *script, const struct span *arguments,
			     size_t count, size_t keys, uint64_t limit_ms, redis_callback *callback, void *context)
{
	assert(keys <= count);
	if (count > REDIS_SCRIPT_ARGUMENTS)
		return STATUS_TOO_LARGE;
	struct script_run *run = make_run(arguments, count);
	if (run == NULL)
		return STATUS_NO_MEMORY;
	run->redis = redis;
	run->script = script;
	run->callback = callback;
	run->context = context;
	run->deadline_ms = loop_now_ms(redis->loop) + limit_ms;
	run->keys = keys;
	enum status status = send_run(run, SPAN("EVALSHA"), span_of(script->sha1), limit_ms, on_evalsha);
	if (status != STATUS_OK)
		free(run);
	return status;
}
