/* What has been used, shown and set to nothing. Owns nothing: batches own the calls. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "quota/quota_private.h"
#include "redis/script.h"

#define ANSWER 9 /* values in the script's answer */
#define WITH_PAST 14

struct show_call {
	struct quota_question question;
	struct quota_limits limits;
	bool are_sure;
	quota_report_callback *callback;
	void *context;
	char name[];
};

/* "m r b w hour minute SECTION", as the last charge left it. */
static bool read_limits(struct span text, struct quota_limits *limits, char *out_section, size_t size)
{
	uint64_t *const numbers[] = { &limits->messages_per_day,  &limits->recipients_per_day,
				      &limits->bytes_per_day,     &limits->new_recipients_per_day,
				      &limits->messages_per_hour, &limits->messages_per_minute };
	struct span part;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!span_cut(&text, ' ', &part) || span_to_u64(part, numbers[i]) != STATUS_OK)
			return false;
	}
	snprintf(out_section, size, "%.*s", SPAN_ARGS(text));
	return true;
}

static void read_overrides(const struct redis_value *fields, struct quota_report *report)
{
	uint64_t now_s = clock_wall_us() / 1000000;
	for (size_t i = 0; i + 1 < redis_value_count(fields) && report->override_count < QUOTA_OVERRIDES; i += 2) {
		struct quota_override *override = &report->overrides[report->override_count];
		if (!quota_override_read(redis_value_text(redis_value_at(fields, i)),
					 redis_value_text(redis_value_at(fields, i + 1)), now_s, override))
			continue;
		quota_override_apply(override, &report->limits);
		report->override_count++;
	}
}

static void read_past(const struct redis_value *value, struct quota_past *past)
{
	past->day_s = script_number_at(value, ANSWER);
	past->today = (struct quota_sent){ script_number_at(value, ANSWER + 1), script_number_at(value, ANSWER + 2),
					   script_number_at(value, ANSWER + 3) };
	past->before = redis_value_text(redis_value_at(value, ANSWER + 4));
}

static void read_report(const struct redis_value *value, const struct show_call *call, struct quota_report *report)
{
	struct quota_limits held = call->limits;
	report->messages = script_number_at(value, 0);
	report->recipients = script_number_at(value, 1);
	report->bytes = script_number_at(value, 2);
	report->strangers = script_number_at(value, 3);
	report->resets_at = script_number_at(value, 4);
	report->last_hour = script_number_at(value, 5);
	report->last_minute = script_number_at(value, 6);
	snprintf(report->section, sizeof(report->section), "%s", call->limits.section ? call->limits.section : "");
	if (!call->are_sure &&
	    read_limits(redis_value_text(redis_value_at(value, 7)), &held, report->section, sizeof(report->section)))
		report->limits = held;
	read_overrides(redis_value_at(value, 8), report);
	if (redis_value_count(value) == WITH_PAST)
		read_past(value, &report->past);
}

static void on_shown(struct quota_question *question, const struct redis_value *value)
{
	struct show_call *call = (struct show_call *)question;
	struct quota_report report = { .name = question->name, .limits = call->limits };
	bool has_answered = value && (script_has_answered(STATUS_OK, value, ANSWER) ||
				      script_has_answered(STATUS_OK, value, WITH_PAST));
	if (has_answered)
		read_report(value, call, &report);
	call->callback(call->context, has_answered ? &report : NULL);
	free(call);
}

static enum status ask_batch(struct quota_batch *batch, const struct quota_name *name,
			     const struct quota_limits *limits, bool are_sure, quota_report_callback *callback,
			     void *context)
{
	struct show_call *call = calloc(1, sizeof(*call) + name->name.size + 1);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	*call = (struct show_call){ .limits = *limits, .are_sure = are_sure, .callback = callback, .context = context };
	memcpy(call->name, name->name.data, name->name.size);
	call->question.name = (struct quota_name){ { call->name, name->name.size }, name->is_shared };
	call->question.on_answer = on_shown;
	enum status status = quota_batch_ask(batch, &call->question);
	if (status != STATUS_OK)
		free(call);
	return status;
}

enum status quota_show(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
		       bool are_sure, quota_report_callback *callback, void *context)
{
	return ask_batch(&quota->shows, name, limits, are_sure, callback, context);
}

enum status quota_look_back(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
			    bool are_sure, quota_report_callback *callback, void *context)
{
	return ask_batch(&quota->histories, name, limits, are_sure, callback, context);
}

enum status quota_reset(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
			bool are_sure, quota_report_callback *callback, void *context)
{
	return ask_batch(&quota->resets, name, limits, are_sure, callback, context);
}
