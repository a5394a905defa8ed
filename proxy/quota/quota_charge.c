/*
 * The charge: one call of a script, or two of them where a user shares limits
 * with others. Whatever can't be decided is QUOTA_UNKNOWN.
 *
 * The shared charge comes first. Both keys in one script would be one step
 * instead of two, but then a sharded Redis could not run it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/domain.h"
#include "base/hash.h"
#include "base/number.h"
#include "quota/leases.h"
#include "quota/memory.h"
#include "quota/quota_private.h"
#include "redis/script.h"
#include "smtp/address.h"

#define ARGUMENTS (3 + 10 + QUOTA_SETTLED) /* keys, what the script is told, settled tokens */
#define ANSWER 15                          /* values in the script's answer */
#define SHORT_ANSWER 5                     /* values of one that grants, where the rest is known */
#define LIMITS 6                           /* numbers, of a user's */
#define LIMITS_SIZE 256                    /* bytes, with the section's name; a longer one is cut */
#define LOOKED_UP 1000                     /* recipients, at most */
#define HASHES_MAXIMUM (1U << 20)          /* bytes */
#define PASSWORD_SIZE (QUOTA_APP_PASSWORD_SIZE + SCRIPT_NUMBER_SIZE)

/* One charge under way. Owns copies of what is charged. */
struct quota_call {
	struct quota *quota;
	struct quota_limits limits; /* of this step */
	struct quota_limits own;    /* of the user */
	quota_callback *callback;
	void *context;
	struct quota_order order; /* views into `bytes` */
	struct span name;         /* whom this step charges */
	struct quota_state state; /* of a charge that waits to be confirmed */
	bool looks_at_strangers;  /* this step was asked to: a limit of them was set by hand */
	struct marker_waiter waiter;
	char *shared_name;      /* of those whom the user shares limits with, in `bytes`; empty: nobody */
	uint64_t shared_ends_s; /* the day that they were charged to */
	char bytes[];
};

/* ---- answers */

static const char *unit_text(struct span unit)
{
	static const struct {
		struct span unit;
		const char *text;
	} texts[] = {
		{ { "r", 1 }, "recipients" },
		{ { "b", 1 }, "bytes" },
		{ { "w", 1 }, "new recipients" },
		{ { "p", 1 }, "messages by this app password" },
		{ { "hour", 4 }, "messages within an hour" },
		{ { "minute", 6 }, "messages within a minute" },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (span_equal(unit, texts[i].unit))
			return texts[i].text;
	}
	return "messages";
}

/* `state` has the limits that were asked for: they are in force. */
static enum quota_verdict read_short_grant(const struct redis_value *value, struct quota_state *state)
{
	state->used = state->messages = script_number_at(value, 1);
	state->limit = state->limits.messages_per_day;
	state->recipients = script_number_at(value, 2);
	state->bytes = script_number_at(value, 3);
	state->resets_at = state->day_ends_at = script_number_at(value, 4);
	return QUOTA_GRANTED;
}

static enum quota_verdict read_charge(const struct redis_value *value, struct quota_state *state)
{
	struct span verdict = redis_value_text(redis_value_at(value, 0));
	if (redis_value_count(value) == SHORT_ANSWER && span_equal(verdict, SPAN("granted")))
		return read_short_grant(value, state);
	state->unit = unit_text(redis_value_text(redis_value_at(value, 1)));
	state->used = script_number_at(value, 2);
	state->limit = script_number_at(value, 3);
	state->messages = script_number_at(value, 4);
	state->recipients = script_number_at(value, 5);
	state->bytes = script_number_at(value, 6);
	state->resets_at = state->day_ends_at = script_number_at(value, 7);
	state->new_today = script_number_at(value, 8);
	state->new_recipients = script_number_at(value, 9);
	state->limits.messages_per_day = script_number_at(value, 10);
	state->limits.recipients_per_day = script_number_at(value, 11);
	state->limits.bytes_per_day = script_number_at(value, 12);
	state->limits.new_recipients_per_day = script_number_at(value, 13);
	if (span_equal(verdict, SPAN("granted"))) {
		uint64_t frees_at = script_number_at(value, 14);
		state->resets_at = frees_at ? frees_at : state->day_ends_at;
		return QUOTA_GRANTED;
	}
	if (span_equal(verdict, SPAN("day")))
		return QUOTA_DAY_EXCEEDED;
	if (span_equal(verdict, SPAN("burst")))
		return QUOTA_BURST_EXCEEDED;
	if (span_equal(verdict, SPAN("locked")))
		return QUOTA_LOCKED;
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

static bool is_shared_step(const struct quota_call *call)
{
	return call->name.data == call->shared_name;
}

/* What the others of the section had taken of them for this message is given back. */
static void undo_shared_step(struct quota_call *call)
{
	struct span name = span_of(call->shared_name);
	if (span_is_empty(name) || is_shared_step(call))
		return;
	quota_recent_forget(call->quota->recent, name);
	quota_refunds_add(call->quota->refunds, name, call->order.token);
}

static void answer_charge(struct quota_call *call, enum quota_verdict verdict, struct quota_state *state)
{
	struct quota *quota = call->quota;
	if (verdict == QUOTA_UNKNOWN || verdict == QUOTA_NOT_CHARGED)
		quota_recent_forget(quota->recent, call->name);
	else if (verdict != QUOTA_BURST_EXCEEDED) /* its resets_at is not the day's end */
		quota_recent_note(quota->recent, call->name, state, loop_now_ms(quota->loop));
	if (is_shared_step(call))
		state->shared = call->limits.section;
	if (verdict == QUOTA_GRANTED && quota->leases)
		leases_note(quota->leases, call->order.user, &call->own, state);
	if (verdict != QUOTA_GRANTED && verdict != QUOTA_UNKNOWN) /* what is unknown, the caller refunds */
		undo_shared_step(call);
	call->callback(call->context, verdict, state);
	free(call);
}

/* ---- confirming */

static void note_charge(struct quota_call *call)
{
	struct memory *memory = call->quota->memory;
	memory_note(memory, &call->order, call->order.user, call->own.app_password, call->state.day_ends_at);
	if (call->shared_name[0])
		memory_note(memory, &call->order, span_of(call->shared_name), "", call->shared_ends_s);
}

static void on_confirmed(void *context, enum marker_verdict verdict)
{
	static const char *const troubles[] = {
		[MARKER_UNKNOWN] = "no answer in time",
		[MARKER_FEW] = "too few replicas have it",
		[MARKER_UNSOUND] = "Redis has lost counts",
	};
	struct quota_call *call = context;
	if (verdict == MARKER_SOUND) {
		note_charge(call);
		answer_charge(call, QUOTA_GRANTED, &call->state);
		return;
	}
	call->state.trouble = span_of(troubles[verdict]);
	answer_charge(call, QUOTA_UNKNOWN, &call->state);
}

/* It counts only if Redis still has all that it acknowledged. */
static void confirm_charge(struct quota_call *call, const struct quota_state *state)
{
	call->state = *state;
	if (memory_confirm(call->quota->memory, &call->waiter, on_confirmed, call) != STATUS_OK)
		on_confirmed(call, MARKER_UNKNOWN);
}

/* ---- steps */

static enum status send_step(struct quota_call *call);

static void continue_charge(struct quota_call *call)
{
	struct quota_state state = { .unit = "messages", .limits = call->limits };
	if (send_step(call) != STATUS_OK)
		answer_charge(call, QUOTA_NOT_CHARGED, &state);
	else if (call->quota->memory)
		memory_follow(call->quota->memory);
}

static void charge_user(struct quota_call *call)
{
	call->name = call->order.user;
	call->limits = call->own;
	call->looks_at_strangers = false;
	continue_charge(call);
}

/* Nothing was charged: a limit of strangers, set by hand, wants them looked at. */
static bool wants_strangers(const struct quota_call *call, enum status status, const struct redis_value *value)
{
	return !call->looks_at_strangers && script_has_answered(status, value, ANSWER) &&
	       span_equal(redis_value_text(redis_value_at(value, 0)), SPAN("strangers"));
}

static void on_charged(void *context, enum status status, const struct redis_value *value)
{
	struct quota_call *call = context;
	struct quota_state state = { .unit = "messages", .limits = call->limits };
	bool is_certain = status == STATUS_UNAVAILABLE || (status == STATUS_OK && redis_value_changed_nothing(value));
	enum quota_verdict verdict = is_certain ? QUOTA_NOT_CHARGED : QUOTA_UNKNOWN;
	if (wants_strangers(call, status, value)) {
		call->looks_at_strangers = true;
		continue_charge(call);
		return;
	}
	if (script_has_answered(status, value, ANSWER) || script_has_answered(status, value, SHORT_ANSWER))
		verdict = read_charge(value, &state);
	else
		state.trouble = trouble_of(status, value);
	if (verdict == QUOTA_GRANTED && !is_shared_step(call) && call->quota->memory) {
		confirm_charge(call, &state);
		return;
	}
	if (verdict != QUOTA_GRANTED || !is_shared_step(call)) {
		answer_charge(call, verdict, &state);
		return;
	}
	quota_recent_note(call->quota->recent, call->name, &state, loop_now_ms(call->quota->loop));
	call->shared_ends_s = state.day_ends_at;
	charge_user(call);
}

/* ---- the call */

/* As far as the configuration says. */
static bool counts_strangers(const struct quota *quota, const struct quota_limits *limits)
{
	return quota->counts_strangers || limits->new_recipients_per_day > 0 ||
	       (limits->shared && limits->shared->new_recipients_per_day > 0);
}

/* `keys` are written in the order of the script's; returns how many there are, 0 if one can't be. */
static size_t write_keys(const struct quota_call *call, struct buf *keys, struct span *out_spans)
{
	static const char *const kinds[] = { "quota", "lock", "known" };
	size_t count = call->looks_at_strangers || counts_strangers(call->quota, &call->limits) ? 3 : 2;
	for (size_t i = 0; i < count; i++) {
		if (quota_write_key(&keys[i], call->quota->prefix, kinds[i], call->name) != STATUS_OK)
			return 0;
		out_spans[i] = buf_span(&keys[i]);
	}
	return count;
}

/* "m r b w hour minute SECTION", which `quota show` on other nodes reads, too. */
static struct span write_limits(const struct quota_limits *limits, char out_text[LIMITS_SIZE])
{
	const uint64_t numbers[LIMITS] = { limits->messages_per_day,  limits->recipients_per_day,
					   limits->bytes_per_day,     limits->new_recipients_per_day,
					   limits->messages_per_hour, limits->messages_per_minute };
	char *at = out_text;
	for (size_t i = 0; i < LIMITS; i++) {
		at += number_write(numbers[i], at);
		*at++ = ' ';
	}
	struct span section = span_slice(span_of(limits->section), 0, (size_t)(out_text + LIMITS_SIZE - at));
	if (section.size)
		memcpy(at, section.data, section.size);
	return (struct span){ out_text, (size_t)(at - out_text) + section.size };
}

/* "ID N"; empty: the app password has no limit of its own. */
static struct span write_password(const struct quota_limits *limits, char out_text[PASSWORD_SIZE])
{
	if (limits->app_password[0] == '\0' || limits->app_password_messages_per_day == 0)
		return (struct span){ 0 };
	snprintf(out_text, PASSWORD_SIZE, "%s %llu", limits->app_password,
		 (unsigned long long)limits->app_password_messages_per_day);
	return span_of(out_text);
}

static enum status run_charge(struct quota_call *call, struct buf keys[3])
{
	const struct quota_limits *limits = &call->limits;
	const struct quota_order *order = &call->order;
	struct quota *quota = call->quota;
	uint64_t now_s = clock_wall_us() / 1000000;
	char numbers[3][SCRIPT_NUMBER_SIZE], limits_text[LIMITS_SIZE], password[PASSWORD_SIZE];
	struct span arguments[ARGUMENTS];
	struct buf hashes BUF_AUTO;
	buf_init(&hashes, HASHES_MAXIMUM);
	size_t key_count = write_keys(call, keys, arguments);
	size_t count = key_count;
	if (key_count == 0)
		return STATUS_TOO_LARGE;
	arguments[count++] = order->token;
	arguments[count++] = script_write_number(order->recipients, numbers[0]);
	arguments[count++] = script_write_number(order->bytes, numbers[1]);
	arguments[count++] = write_limits(limits, limits_text);
	arguments[count++] = script_write_number(now_s, numbers[2]);
	arguments[count++] = quota_days_text(&quota->days, now_s);
	arguments[count++] = quota->is_rolling ? SPAN("rolling") : SPAN("day");
	arguments[count++] = is_shared_step(call) ? (struct span){ 0 } : order->user_id;
	arguments[count++] = write_password(limits, password);
	if (key_count == 3 && order->write_hashes)
		TRY(order->write_hashes(order->message, &hashes));
	arguments[count++] = span_slice(buf_span(&hashes), 0, (size_t)LOOKED_UP * QUOTA_HASH_SIZE);
	size_t settled = quota_recent_take_settled(quota->recent, call->name, key_count == 3, arguments + count);
	count += settled;
	while (settled == 0 && span_is_empty(arguments[count - 1])) /* the script takes what isn't there for that */
		count--;
	return redis_run_script(quota->redis, &quota->charge, arguments, count, key_count, QUOTA_CALL_MS, on_charged,
				call);
}

static enum status send_step(struct quota_call *call)
{
	struct buf keys[3];
	for (size_t i = 0; i < 3; i++)
		buf_init(&keys[i], QUOTA_KEY_MAXIMUM);
	enum status status = run_charge(call, keys);
	for (size_t i = 0; i < 3; i++)
		buf_free(&keys[i]);
	return status;
}

static struct span copy_text(struct span text, char **at)
{
	struct span copy = { *at, text.size };
	if (text.size)
		memcpy(*at, text.data, text.size);
	*at += text.size;
	return copy;
}

static struct quota_call *make_call(struct quota *quota, const struct quota_order *order,
				    const struct quota_limits *limits)
{
	size_t size =
		order->user.size + order->user_id.size + order->token.size + (limits->shared ? QUOTA_USER_MAXIMUM : 1);
	struct quota_call *call = malloc(sizeof(*call) + size);
	if (call == NULL)
		return NULL;
	*call = (struct quota_call){ .quota = quota, .own = *limits, .limits = *limits, .order = *order };
	char *at = call->bytes;
	call->order.user = copy_text(order->user, &at);
	call->order.user_id = copy_text(order->user_id, &at);
	call->order.token = copy_text(order->token, &at);
	call->shared_name = at;
	*at = '\0';
	call->name = call->order.user;
	return call;
}

static enum status begin_shared_step(struct quota_call *call)
{
	if (call->own.shared == NULL)
		return STATUS_OK;
	TRY(quota_name_shared(call->own.shared->name, call->shared_name));
	call->name = span_of(call->shared_name);
	call->limits = quota_limits_of(call->own.shared);
	return STATUS_OK;
}

enum status quota_charge(struct quota *quota, const struct quota_order *order, const struct quota_limits *limits,
			 quota_callback *callback, void *context)
{
	struct quota_call *call = make_call(quota, order, limits);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	call->callback = callback;
	call->context = context;
	enum status status = begin_shared_step(call);
	if (status == STATUS_OK)
		status = send_step(call);
	if (status != STATUS_OK)
		free(call);
	else if (quota->memory)
		memory_follow(quota->memory);
	return status;
}

/* ---- recipients */

enum status quota_hash_recipient(struct span address, struct buf *out)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char digits[QUOTA_HASH_SIZE + 1];
	struct buf text BUF_AUTO;
	struct mailbox mailbox;
	char domain[DOMAIN_SIZE];
	buf_init(&text, 1024);
	bool has_domain = address_read(address, true, &mailbox) == STATUS_OK &&
			  domain_canonical(mailbox.domain, domain) == STATUS_OK;
	struct span local = has_domain ? mailbox.local : address;
	for (size_t i = 0; i < local.size; i++)
		TRY(buf_append_byte(&text, ascii_lower(local.data[i])));
	if (has_domain)
		TRY(buf_printf(&text, "@%s", domain));
	TRY(hash_sha256(buf_span(&text), digest));
	hash_to_hex(digest, QUOTA_HASH_SIZE / 2, digits);
	return buf_append_text(out, digits);
}
