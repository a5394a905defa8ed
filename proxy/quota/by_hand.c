/* The calls of by_hand.lua, and rows as text. Owns nothing. */
#include "quota/by_hand.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "quota/quota_private.h"
#include "quota/user_lock.h"
#include "redis/script.h"

#define CALL_MS 3000
#define REPLICAS_MS 500 /* for replicas to have what was changed */
#define KEYS 3
#define ARGUMENTS (KEYS + 2 + 4 * BY_HAND_LIMITS)
#define VERSION_MAXIMUM (1ULL << 53) /* Lua's numbers are exact below it */

static const char source[] =
#include "quota/by_hand.lua.h"
	;

enum status by_hand_init(struct by_hand *by_hand, struct redis *redis, const char *prefix)
{
	by_hand->redis = redis;
	by_hand->prefix = prefix;
	by_hand->replicas = 0;
	return redis_script_init(&by_hand->script, source);
}

/* One call; the spans are views into the buffers. */
struct call {
	struct buf keys[KEYS];
	size_t key_count, count;
	struct span rest[ARGUMENTS];
};

static void close_call(struct call *call)
{
	for (size_t i = 0; i < KEYS; i++)
		buf_free(&call->keys[i]);
}

static enum status open_call(const struct by_hand *by_hand, struct call *call)
{
	for (size_t i = 0; i < KEYS; i++)
		buf_init(&call->keys[i], QUOTA_KEY_MAXIMUM);
	call->key_count = 1;
	call->count = 0;
	return buf_printf(&call->keys[0], "%sby-hand", by_hand->prefix);
}

static void add_row(struct call *call, struct span row, struct span payload, struct span field, struct span value)
{
	call->rest[call->count++] = row;
	call->rest[call->count++] = payload;
	call->rest[call->count++] = field;
	call->rest[call->count++] = value;
}

static enum status run_call(struct by_hand *by_hand, const struct call *call, uint64_t version, enum by_hand_deed deed,
			    redis_callback *callback, void *context)
{
	static const char *const deeds[] = {
		[BY_HAND_SET] = "set", [BY_HAND_ADD] = "add", [BY_HAND_UNSET] = "unset", [BY_HAND_END] = "end"
	};
	struct span arguments[ARGUMENTS];
	char number[SCRIPT_NUMBER_SIZE];
	size_t count = 0;
	for (size_t i = 0; i < call->key_count; i++)
		arguments[count++] = buf_span(&call->keys[i]);
	arguments[count++] = version ? script_write_number(version, number) : SPAN("");
	arguments[count++] = span_of(deeds[deed]);
	for (size_t i = 0; i < call->count; i++)
		arguments[count++] = call->rest[i];
	return redis_run_script(by_hand->redis, &by_hand->script, arguments, count, call->key_count, CALL_MS, callback,
				context);
}

/* ---- changes: once Redis has answered, replicas are waited for, on the same connection */

struct change {
	const struct by_hand *by_hand;
	by_hand_callback *callback;
	void *context;
	uint64_t changed;
};

static enum status open_change(const struct by_hand *by_hand, by_hand_callback *callback, void *context,
			       struct change **out_change)
{
	struct change *change = calloc(1, sizeof(*change));
	if (change == NULL)
		return STATUS_NO_MEMORY;
	*change = (struct change){ .by_hand = by_hand, .callback = callback, .context = context };
	*out_change = change;
	return STATUS_OK;
}

static void end_change(struct change *change, enum by_hand_outcome outcome)
{
	change->callback(change->context, outcome, change->changed);
	free(change);
}

static void on_replicas(void *context, enum status status, const struct redis_value *value)
{
	struct change *change = context;
	bool has_answered = status == STATUS_OK && redis_value_type(value) == REDIS_INTEGER;
	bool are_enough = has_answered && (uint64_t)redis_value_integer(value) >= change->by_hand->replicas;
	end_change(change, are_enough ? BY_HAND_DONE : BY_HAND_FEW);
}

static void wait_for_replicas(struct change *change)
{
	char replicas[SCRIPT_NUMBER_SIZE], limit[SCRIPT_NUMBER_SIZE];
	const struct span wait[] = { SPAN("WAIT"), script_write_number(change->by_hand->replicas, replicas),
				     script_write_number(REPLICAS_MS, limit) };
	if (redis_call(change->by_hand->redis, wait, 3, CALL_MS, on_replicas, change) != STATUS_OK)
		end_change(change, BY_HAND_FEW);
}

static void on_changed(void *context, enum status status, const struct redis_value *value)
{
	struct change *change = context;
	bool is_done = status == STATUS_OK && redis_value_type(value) == REDIS_INTEGER;
	bool is_certain = status == STATUS_UNAVAILABLE || (status == STATUS_OK && redis_value_changed_nothing(value));
	if (!is_done) {
		end_change(change, is_certain ? BY_HAND_NOT_DONE : BY_HAND_UNKNOWN);
		return;
	}
	change->changed = redis_value_integer(value) > 0 ? (uint64_t)redis_value_integer(value) : 0;
	if (change->by_hand->replicas)
		wait_for_replicas(change);
	else
		end_change(change, BY_HAND_DONE);
}

/* ---- locks */

/* Beside the counts of their quota, too, if they have a name. */
static enum status write_lock_keys(const struct by_hand *by_hand, struct call *call, struct span user)
{
	TRY(user_lock_write_list_key(&call->keys[1], by_hand->prefix));
	call->key_count = 2;
	if (span_is_empty(user))
		return STATUS_OK;
	call->key_count = 3;
	return script_write_key(&call->keys[2], by_hand->prefix, "lock", user);
}

static enum status send_lock(struct by_hand *by_hand, struct call *call, enum by_hand_deed deed, struct span user_id,
			     struct span user, struct span value, struct change *change)
{
	struct buf row BUF_AUTO;
	buf_init(&row, BY_HAND_FIELD_MAXIMUM);
	TRY(open_call(by_hand, call));
	TRY(write_lock_keys(by_hand, call, user));
	TRY(buf_append_text(&row, "lock "));
	TRY(buf_append(&row, user_id));
	add_row(call, buf_span(&row), value, user_id, value);
	return run_call(by_hand, call, 0, deed, on_changed, change);
}

enum status by_hand_change_lock(struct by_hand *by_hand, enum by_hand_deed deed, struct span user_id, struct span user,
				struct span value, by_hand_callback *callback, void *context)
{
	struct call call;
	struct change *change;
	TRY(open_change(by_hand, callback, context, &change));
	enum status status = send_lock(by_hand, &call, deed, user_id, user, value, change);
	close_call(&call);
	if (status != STATUS_OK)
		free(change);
	return status;
}

/* ---- limits */

static enum status send_limits(struct by_hand *by_hand, struct call *call, enum by_hand_deed deed, struct span name,
			       const struct by_hand_limit *limits, size_t count, struct change *change)
{
	struct buf rows BUF_AUTO;
	size_t ends[BY_HAND_LIMITS + 1] = { 0 };
	buf_init(&rows, (size_t)BY_HAND_LIMITS * BY_HAND_FIELD_MAXIMUM);
	TRY(open_call(by_hand, call));
	TRY(quota_write_key(&call->keys[1], by_hand->prefix, "lock", name));
	call->key_count = 2;
	for (size_t i = 0; i < count; i++) {
		TRY(buf_append(&rows, limits[i].field));
		TRY(buf_append_byte(&rows, ' '));
		TRY(buf_append(&rows, name));
		ends[i + 1] = buf_size(&rows);
	}
	for (size_t i = 0; i < count; i++)
		add_row(call, span_slice(buf_span(&rows), ends[i], ends[i + 1]), limits[i].value, limits[i].field,
			limits[i].value);
	return run_call(by_hand, call, 0, deed, on_changed, change);
}

enum status by_hand_change_limits(struct by_hand *by_hand, enum by_hand_deed deed, struct span name,
				  const struct by_hand_limit *limits, size_t count, by_hand_callback *callback,
				  void *context)
{
	struct call call;
	struct change *change;
	if (count > BY_HAND_LIMITS)
		return STATUS_TOO_LARGE;
	TRY(open_change(by_hand, callback, context, &change));
	enum status status = send_limits(by_hand, &call, deed, name, limits, count, change);
	close_call(&call);
	if (status != STATUS_OK)
		free(change);
	return status;
}

/* ---- rows */

/* A tab may stand in it: of a shared section's name, and of a lock's value. */
static bool is_text(struct span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] != '\t' && ascii_is_control(text.data[i]))
			return false;
	return true;
}

/* "lock USER_ID", "limit OPTION NAME". */
static bool is_field(struct span field)
{
	struct span kind, option;
	if (!span_cut(&field, ' ', &kind) || field.size == 0 || field.size >= QUOTA_USER_MAXIMUM)
		return false;
	if (span_equal(kind, SPAN("lock")))
		return true;
	return span_equal(kind, SPAN("limit")) && span_cut(&field, ' ', &option) && option.size && field.size;
}

bool by_hand_read_row(struct span field, struct span value, struct by_hand_row *out_row)
{
	struct by_hand_row row = { .field = field };
	struct span version, sign;
	if (!is_field(field) || field.size > BY_HAND_FIELD_MAXIMUM || value.size > BY_HAND_VALUE_MAXIMUM ||
	    !is_text(field) || !is_text(value) || !span_cut(&value, ' ', &version) || !span_cut(&value, ' ', &sign) ||
	    span_to_u64(version, &row.version) != STATUS_OK || row.version == 0 || row.version >= VERSION_MAXIMUM)
		return false;
	row.is_set = span_equal(sign, SPAN("+"));
	row.payload = value;
	if (!row.is_set && !span_equal(sign, SPAN("-")))
		return false;
	*out_row = row;
	return true;
}

struct span by_hand_locked_id(const struct by_hand_row *row)
{
	struct span rest = row->field, kind;
	return span_cut(&rest, ' ', &kind) && span_equal(kind, SPAN("lock")) ? rest : (struct span){ 0 };
}

/* "1 N UNTIL"; 0: no end. */
static uint64_t end_of_limit(struct span payload)
{
	struct span part;
	uint64_t until_s;
	if (!span_cut(&payload, ' ', &part) || !span_cut(&payload, ' ', &part) ||
	    span_to_u64(payload, &until_s) != STATUS_OK)
		return 0;
	return until_s;
}

bool by_hand_has_ended(const struct by_hand_row *row, uint64_t now_s)
{
	bool is_limit = span_is_empty(by_hand_locked_id(row));
	uint64_t until_s = is_limit && row->is_set ? end_of_limit(row->payload) : 0;
	uint64_t last_s = row->version / 1000000 > until_s ? row->version / 1000000 : until_s;
	return (!row->is_set || until_s) && last_s + BY_HAND_KEPT_S < now_s;
}

/* Where it acts: of a lock the value names the user, of a limit the row. */
static enum status write_place(const struct by_hand *by_hand, const struct by_hand_row *row, struct call *call)
{
	struct span rest = row->payload, part, option;
	struct span user_id = by_hand_locked_id(row);
	if (!span_is_empty(user_id)) {
		struct span user = { 0 };
		if (!span_cut(&rest, '\t', &part) || !span_cut(&rest, '\t', &part) || !span_cut(&rest, '\t', &user))
			user = (struct span){ 0 };
		TRY(write_lock_keys(by_hand, call, user));
		add_row(call, row->field, row->payload, user_id, row->payload);
		return STATUS_OK;
	}
	rest = row->field;
	if (!span_cut(&rest, ' ', &part) || !span_cut(&rest, ' ', &option) || span_is_empty(rest))
		return STATUS_INVALID;
	TRY(quota_write_key(&call->keys[1], by_hand->prefix, "lock", rest));
	call->key_count = 2;
	struct span field = span_slice(row->field, 0, sizeof("limit ") - 1 + option.size);
	add_row(call, row->field, row->payload, field, row->payload);
	return STATUS_OK;
}

static enum status send_row(struct by_hand *by_hand, const struct by_hand_row *row, bool has_ended, struct call *call,
			    redis_callback *callback, void *context)
{
	enum by_hand_deed deed = row->is_set ? BY_HAND_SET : BY_HAND_UNSET;
	TRY(open_call(by_hand, call));
	TRY(write_place(by_hand, row, call));
	return run_call(by_hand, call, row->version, has_ended ? BY_HAND_END : deed, callback, context);
}

enum status by_hand_bring(struct by_hand *by_hand, const struct by_hand_row *row, bool has_ended,
			  redis_callback *callback, void *context)
{
	struct call call;
	enum status status = send_row(by_hand, row, has_ended, &call, callback, context);
	close_call(&call);
	return status;
}
