/* Refused recipients: the one call to Redis. Owns what it made; borrows the Redis client. */
#include "quota/refused.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "redis/script.h"

#define CALL_MS 3000     /* a longer call counts as failed */
#define KEY_MAXIMUM 1024 /* bytes */
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
struct refused_call {
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

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct refused_call *call = context;
	struct refused_count count = { .limit = call->limit };
	bool has_answered = script_has_answered(status, value, ANSWER);
	if (has_answered) {
		uint64_t now_s = script_number_at(value, 4);
		count.counted = script_number_at(value, 0);
		count.refused = script_number_at(value, 1);
		count.free_at = script_number_at(value, 2);
		count.free_in_s = count.free_at > now_s ? count.free_at - now_s : 0;
		count.is_reached = script_number_at(value, 3);
	}
	call->callback(call->context, has_answered ? &count : NULL);
	free(call);
}

static enum status run_script(struct refused_recipients *refused, struct span user, uint64_t more,
			      struct refused_call *call)
{
	struct buf key BUF_AUTO;
	char numbers[2][SCRIPT_NUMBER_SIZE];
	buf_init(&key, KEY_MAXIMUM);
	TRY(script_write_key(&key, refused->prefix, "refused", user));
	const struct span arguments[] = { buf_span(&key), script_write_number(call->limit, numbers[0]),
					  script_write_number(more, numbers[1]) };
	return redis_run_script(refused->redis, &refused->script, arguments, 3, 1, CALL_MS, on_answer, call);
}

enum status refused_count(struct refused_recipients *refused, struct span user, uint64_t limit, uint64_t more,
			  refused_callback *callback, void *context)
{
	struct refused_call *call = calloc(1, sizeof(*call));
	if (call == NULL)
		return STATUS_NO_MEMORY;
	*call = (struct refused_call){ limit, callback, context };
	enum status status = run_script(refused, user, more, call);
	if (status != STATUS_OK)
		free(call);
	return status;
}
