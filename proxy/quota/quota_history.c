/* What a user has sent, day by day: Redis is asked, and quota_past.c reads. Owns the calls under way. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "quota/quota_private.h"
#include "redis/script.h"

#define ANSWER 5 /* values in the script's answer */
#define ARGUMENTS 3

struct history_call {
	quota_history_callback *callback;
	void *context;
	size_t days;
	bool is_shared;
	size_t name_size;
	char name[];
};

static void on_history(void *context, enum status status, const struct redis_value *value)
{
	struct history_call *call = context;
	struct quota_history history = { .name = { { call->name, call->name_size }, call->is_shared } };
	bool has_answered = script_has_answered(status, value, ANSWER);
	if (has_answered) {
		uint64_t day_s = script_number_at(value, 0);
		const struct quota_sent today = { script_number_at(value, 1), script_number_at(value, 2),
						  script_number_at(value, 3) };
		quota_history_read(redis_value_text(redis_value_at(value, 4)), day_s, call->days, &history);
		quota_history_add(&history, day_s, &today);
	}
	call->callback(call->context, has_answered ? &history : NULL);
	free(call);
}

static enum status send_call(struct quota *quota, struct history_call *call)
{
	uint64_t now_s = clock_wall_us() / 1000000;
	char clock[SCRIPT_NUMBER_SIZE], name[QUOTA_USER_MAXIMUM];
	struct span arguments[ARGUMENTS];
	struct buf key BUF_AUTO;
	buf_init(&key, QUOTA_KEY_MAXIMUM);
	const struct quota_name given = { { call->name, call->name_size }, call->is_shared };
	TRY(quota_name_of(&given, name));
	TRY(quota_write_key(&key, quota->prefix, "quota", span_of(name)));
	arguments[0] = buf_span(&key);
	arguments[1] = script_write_number(now_s, clock);
	arguments[2] = quota_days_text(&quota->days, now_s);
	return redis_run_script(quota->redis, &quota->history, arguments, ARGUMENTS, 1, QUOTA_CALL_MS, on_history,
				call);
}

enum status quota_look_back(struct quota *quota, const struct quota_name *name, size_t days,
			    quota_history_callback *callback, void *context)
{
	struct history_call *call = calloc(1, sizeof(*call) + name->name.size + 1);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	*call = (struct history_call){ callback, context, days, name->is_shared, name->name.size };
	memcpy(call->name, name->name.data, name->name.size);
	enum status status = send_call(quota, call);
	if (status != STATUS_OK)
		free(call);
	return status;
}
