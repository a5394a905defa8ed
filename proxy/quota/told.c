/* Who was told of what: the one call to Redis. Owns what it made, and the questions that are open. */
#include "quota/told.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "redis/script.h"

#define CALL_MS 3000
#define KEY_MAXIMUM 1024 /* bytes */

static const char source[] =
#include "quota/told.lua.h"
	;

/* One question. */
struct told_call {
	TAILQ_ENTRY(told_call) in_open;
	struct told *told;
	told_callback *callback;
	void *context;
};

struct told {
	struct redis *redis;
	struct redis_script script;
	char *prefix;
	TAILQ_HEAD(told_calls, told_call) open;
};

enum status told_create(struct redis *redis, const char *prefix, struct told **out_told)
{
	struct told *told = calloc(1, sizeof(*told));
	if (told == NULL)
		return STATUS_NO_MEMORY;
	told->redis = redis;
	told->prefix = strdup(prefix);
	TAILQ_INIT(&told->open);
	enum status status = told->prefix ? redis_script_init(&told->script, source) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		told_free(&told);
		return status;
	}
	*out_told = told;
	return STATUS_OK;
}

static void end_call(struct told_call *call)
{
	TAILQ_REMOVE(&call->told->open, call, in_open);
	free(call);
}

void told_free(struct told **told)
{
	if (*told == NULL)
		return;
	while (!TAILQ_EMPTY(&(*told)->open))
		end_call(TAILQ_FIRST(&(*told)->open));
	free((*told)->prefix);
	free(*told);
	*told = NULL;
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct told_call *call = context;
	bool has_answered = status == STATUS_OK && redis_value_type(value) == REDIS_INTEGER;
	call->callback(call->context, !has_answered || redis_value_integer(value) == 1);
	end_call(call);
}

static enum status run_script(struct told_call *call, struct span user, struct span what, uint64_t until_s)
{
	struct told *told = call->told;
	struct buf key BUF_AUTO;
	char number[SCRIPT_NUMBER_SIZE];
	buf_init(&key, KEY_MAXIMUM);
	TRY(script_write_key(&key, told->prefix, "told", user));
	const struct span arguments[] = { buf_span(&key), what, script_write_number(until_s, number) };
	return redis_run_script(told->redis, &told->script, arguments, 3, 1, CALL_MS, on_answer, call);
}

enum status told_ask(struct told *told, struct span user, struct span what, uint64_t until_s, told_callback *callback,
		     void *context)
{
	struct told_call *call = calloc(1, sizeof(*call));
	if (call == NULL)
		return STATUS_NO_MEMORY;
	*call = (struct told_call){ .told = told, .callback = callback, .context = context };
	TAILQ_INSERT_TAIL(&told->open, call, in_open);
	enum status status = run_script(call, user, what, until_s);
	if (status != STATUS_OK)
		end_call(call);
	return status;
}
