/* What a user has sent, day by day: Redis is asked, and quota_past.c reads. Owns nothing: a batch owns the calls. */
#include <stdlib.h>
#include <string.h>

#include "quota/quota_private.h"
#include "redis/script.h"

#define ANSWER 5 /* values in the script's answer */

struct history_call {
	struct quota_question question;
	quota_history_callback *callback;
	void *context;
	size_t days;
	char name[];
};

static void on_history(struct quota_question *question, const struct redis_value *value)
{
	struct history_call *call = (struct history_call *)question;
	struct quota_history history = { .name = question->name };
	bool has_answered = value && script_has_answered(STATUS_OK, value, ANSWER);
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

enum status quota_look_back(struct quota *quota, const struct quota_name *name, size_t days,
			    quota_history_callback *callback, void *context)
{
	struct history_call *call = calloc(1, sizeof(*call) + name->name.size + 1);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	memcpy(call->name, name->name.data, name->name.size);
	*call = (struct history_call){ .callback = callback, .context = context, .days = days };
	call->question.name = (struct quota_name){ { call->name, name->name.size }, name->is_shared };
	call->question.on_answer = on_history;
	enum status status = quota_batch_ask(&quota->histories, &call->question);
	if (status != STATUS_OK)
		free(call);
	return status;
}
