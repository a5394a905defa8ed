/*
 * Quota: the calls to Redis and what their answers mean. Owns what it made;
 * borrows the Redis client. Whatever can't be decided is QUOTA_UNKNOWN.
 */
#include "quota/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "quota/marker.h"
#include "quota/quota_private.h"
#include "quota/script.h"

#define CHARGE_NUMBERS (6 + QUOTA_DAY_NUMBERS) /* recipients, bytes, four limits */
#define ANSWER_CHARGE 8                        /* values in charge.lua's answer */
#define ANSWER_SHOW 4                          /* values in show.lua's answer */

static const char charge_source[] =
#include "quota/day.lua.h"

#include "quota/charge.lua.h"
	;
static const char show_source[] =
#include "quota/day.lua.h"

#include "quota/show.lua.h"
	;

struct quota {
	struct loop *loop;
	struct redis *redis;
	char *prefix;
	struct redis_script charge, show;
	struct quota_recent *recent;
	struct quota_refunds *refunds;
	struct marker *marker; /* or NULL */
};

/* One call under way. */
struct question {
	struct quota *quota;
	struct quota_limits limits;
	quota_callback *callback;
	void *context;
	struct span user;
	char user_bytes[];
};

static enum status make_parts(struct quota *quota, const char *prefix, const char *zone)
{
	TRY(quota_day_set_zone(zone));
	TRY(redis_script_init(&quota->charge, charge_source));
	TRY(redis_script_init(&quota->show, show_source));
	TRY(quota_recent_create(&quota->recent));
	quota->prefix = strdup(prefix);
	if (quota->prefix == NULL)
		return STATUS_NO_MEMORY;
	return quota_refunds_create(quota->loop, quota->redis, quota->prefix, &quota->refunds);
}

enum status quota_create(struct loop *loop, struct redis *redis, const char *prefix, const char *zone,
			 struct quota **out_quota)
{
	struct quota *quota = calloc(1, sizeof(*quota));
	if (quota == NULL)
		return STATUS_NO_MEMORY;
	quota->loop = loop;
	quota->redis = redis;
	enum status status = make_parts(quota, prefix, zone);
	if (status != STATUS_OK) {
		quota_free(&quota);
		return status;
	}
	*out_quota = quota;
	return STATUS_OK;
}

void quota_free(struct quota **quota_at)
{
	struct quota *quota = *quota_at;
	if (quota == NULL)
		return;
	quota_refunds_free(&quota->refunds);
	quota_recent_free(&quota->recent);
	free(quota->prefix);
	free(quota);
	*quota_at = NULL;
}

void quota_use_marker(struct quota *quota, struct marker *marker)
{
	quota->marker = marker;
}

/* ---- answers */

static const char *unit_text(struct span unit)
{
	if (span_equal(unit, SPAN("r")))
		return "recipients";
	if (span_equal(unit, SPAN("b")))
		return "bytes";
	return "messages";
}

static enum quota_verdict read_charge(const struct redis_value *value, struct quota_state *state)
{
	struct span verdict = redis_value_text(redis_value_at(value, 0));
	state->unit = unit_text(redis_value_text(redis_value_at(value, 1)));
	state->used = script_number_at(value, 2);
	state->limit = script_number_at(value, 3);
	state->messages = script_number_at(value, 4);
	state->recipients = script_number_at(value, 5);
	state->bytes = script_number_at(value, 6);
	state->resets_at = script_number_at(value, 7);
	if (span_equal(verdict, SPAN("granted")))
		return QUOTA_GRANTED;
	if (span_equal(verdict, SPAN("day")))
		return QUOTA_DAY_EXCEEDED;
	if (span_equal(verdict, SPAN("burst")))
		return QUOTA_BURST_EXCEEDED;
	state->trouble = SPAN("given back before it came");
	return QUOTA_UNKNOWN;
}

/* Why there is no usable answer; empty: Redis is away, which the log tells anyway. */
static struct span trouble_of(enum status status, const struct redis_value *value)
{
	if (status == STATUS_UNAVAILABLE)
		return (struct span){ 0 };
	if (status == STATUS_OK && redis_value_type(value) == REDIS_ERROR)
		return redis_value_text(value);
	return status == STATUS_OK ? SPAN("an answer that is none") : span_of(status_text(status));
}

static void answer_question(struct question *question, enum quota_verdict verdict, const struct quota_state *state)
{
	struct quota *quota = question->quota;
	if (verdict == QUOTA_UNKNOWN || verdict == QUOTA_NOT_CHARGED)
		quota_recent_forget(quota->recent, question->user);
	else
		quota_recent_note(quota->recent, question->user, state, loop_now_ms(quota->loop));
	question->callback(question->context, verdict, state);
	free(question);
}

static struct quota_state empty_state(const struct question *question)
{
	return (struct quota_state){ .unit = "messages", .limits = question->limits };
}

static void on_charged(void *context, enum status status, const struct redis_value *value)
{
	struct question *question = context;
	struct quota_state state = empty_state(question);
	bool is_certain = status == STATUS_UNAVAILABLE || (status == STATUS_OK && redis_value_changed_nothing(value));
	enum quota_verdict verdict = is_certain ? QUOTA_NOT_CHARGED : QUOTA_UNKNOWN;
	if (script_has_answered(status, value, ANSWER_CHARGE))
		verdict = read_charge(value, &state);
	else
		state.trouble = trouble_of(status, value);
	answer_question(question, verdict, &state);
}

static void on_shown(void *context, enum status status, const struct redis_value *value)
{
	struct question *question = context;
	struct quota_state state = empty_state(question);
	enum quota_verdict verdict = QUOTA_UNKNOWN;
	if (script_has_answered(status, value, ANSWER_SHOW)) {
		verdict = QUOTA_GRANTED;
		state.used = state.messages = script_number_at(value, 0);
		state.recipients = script_number_at(value, 1);
		state.bytes = script_number_at(value, 2);
		state.resets_at = script_number_at(value, 3);
		state.limit = question->limits.messages_per_day;
	}
	answer_question(question, verdict, &state);
}

/* ---- calls */

static struct question *make_question(struct quota *quota, struct span user, const struct quota_limits *limits,
				      quota_callback *callback, void *context)
{
	struct question *question = calloc(1, sizeof(*question) + user.size);
	if (question == NULL)
		return NULL;
	question->quota = quota;
	question->limits = *limits;
	question->callback = callback;
	question->context = context;
	if (user.size)
		memcpy(question->user_bytes, user.data, user.size);
	question->user = (struct span){ question->user_bytes, user.size };
	return question;
}

/* Writes numbers as text; the spans are views into `texts`. */
static void write_numbers(const uint64_t *numbers, size_t count, char texts[][SCRIPT_NUMBER_SIZE],
			  struct span *out_spans)
{
	for (size_t i = 0; i < count; i++)
		out_spans[i] = script_write_number(numbers[i], texts[i]);
}

static enum status run_script(struct quota *quota, const struct redis_script *script, struct span *arguments,
			      size_t count, redis_callback *callback, struct question *question)
{
	struct buf key BUF_AUTO;
	buf_init(&key, 2 * QUOTA_USER_MAXIMUM);
	if (question->user.size > QUOTA_USER_MAXIMUM)
		return STATUS_TOO_LARGE;
	TRY(script_write_key(&key, quota->prefix, "quota", question->user));
	arguments[0] = buf_span(&key);
	return redis_run_script(quota->redis, script, arguments, count, 1, QUOTA_CALL_MS, callback, question);
}

enum status quota_charge(struct quota *quota, struct span user, struct span token, const struct quota_limits *limits,
			 uint64_t recipients, uint64_t bytes, quota_callback *callback, void *context)
{
	uint64_t numbers[CHARGE_NUMBERS] = {
		recipients,
		bytes,
		limits->messages_per_day,
		limits->recipients_per_day,
		limits->bytes_per_day,
		limits->messages_per_minute,
	};
	char texts[CHARGE_NUMBERS][SCRIPT_NUMBER_SIZE];
	struct span arguments[2 + CHARGE_NUMBERS + QUOTA_SETTLED] = { [1] = token };
	quota_day_numbers(clock_wall_us() / 1000000, numbers + 6);
	write_numbers(numbers, CHARGE_NUMBERS, texts, arguments + 2);
	size_t count = 2 + CHARGE_NUMBERS;
	count += quota_recent_take_settled(quota->recent, user, arguments + count);
	struct question *question = make_question(quota, user, limits, callback, context);
	if (question == NULL)
		return STATUS_NO_MEMORY;
	enum status status = run_script(quota, &quota->charge, arguments, count, on_charged, question);
	if (status != STATUS_OK)
		free(question);
	else if (quota->marker)
		marker_check(quota->marker);
	return status;
}

static enum status run_show(struct quota *quota, struct span what, struct span user, const struct quota_limits *limits,
			    quota_callback *callback, void *context)
{
	uint64_t numbers[QUOTA_DAY_NUMBERS];
	char texts[QUOTA_DAY_NUMBERS][SCRIPT_NUMBER_SIZE];
	struct span arguments[2 + QUOTA_DAY_NUMBERS] = { [1] = what };
	quota_day_numbers(clock_wall_us() / 1000000, numbers);
	write_numbers(numbers, QUOTA_DAY_NUMBERS, texts, arguments + 2);
	struct question *question = make_question(quota, user, limits, callback, context);
	if (question == NULL)
		return STATUS_NO_MEMORY;
	enum status status = run_script(quota, &quota->show, arguments, 2 + QUOTA_DAY_NUMBERS, on_shown, question);
	if (status != STATUS_OK)
		free(question);
	return status;
}

enum status quota_show(struct quota *quota, struct span user, const struct quota_limits *limits,
		       quota_callback *callback, void *context)
{
	return run_show(quota, SPAN("show"), user, limits, callback, context);
}

enum status quota_reset(struct quota *quota, struct span user, const struct quota_limits *limits,
			quota_callback *callback, void *context)
{
	return run_show(quota, SPAN("reset"), user, limits, callback, context);
}

void quota_settle(struct quota *quota, struct span user, struct span token)
{
	quota_recent_settle(quota->recent, user, token);
}

void quota_refund(struct quota *quota, struct span user, struct span token)
{
	quota_recent_forget(quota->recent, user);
	quota_refunds_add(quota->refunds, user, token);
}

size_t quota_refunds_pending(const struct quota *quota)
{
	return quota_refunds_count(quota->refunds);
}

bool quota_is_exhausted(struct quota *quota, struct span user, const struct quota_limits *limits,
			struct quota_state *out_state)
{
	struct quota_state state;
	if (!quota_recent_get(quota->recent, user, loop_now_ms(quota->loop), &state))
		return false;
	if (clock_wall_us() / 1000000 >= state.resets_at)
		return false; /* the day that was counted is over */
	state.limits = *limits;
	if (limits->messages_per_day && state.messages >= limits->messages_per_day) {
		state.used = state.messages;
		state.limit = limits->messages_per_day;
		state.unit = "messages";
	} else if (limits->recipients_per_day && state.recipients >= limits->recipients_per_day) {
		state.used = state.recipients;
		state.limit = limits->recipients_per_day;
		state.unit = "recipients";
	} else {
		return false;
	}
	*out_state = state;
	return true;
}
