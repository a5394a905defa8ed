/*
 * Everybody who has counts: SCAN over the keys, a part at a time, the users first, then what sections share. The cursor
 * is "u" or "s" and that of Redis.
 */
#include <stdlib.h>
#include <string.h>

#include "quota/quota_private.h"
#include "redis/script.h"

#define STEP "500"          /* keys that Redis looks at in one call */
#define NAMES_MAXIMUM 5000U /* of one answer */

struct scan_call {
	struct quota *quota;
	bool is_shared;
	quota_page_callback *callback;
	void *context;
};

/* The name within "PREFIXKIND:{NAME}". */
static bool read_name(struct span key, struct span *out_name)
{
	size_t open = span_find_byte(key, '{');
	if (open + 2 >= key.size || key.data[key.size - 1] != '}')
		return false;
	*out_name = span_slice(key, open + 1, key.size - 1);
	return true;
}

static void answer_page(const struct scan_call *call, struct span cursor, const struct redis_value *keys)
{
	char next[QUOTA_PAGE_CURSOR_SIZE] = "";
	size_t count = redis_value_count(keys), found = 0;
	struct quota_name *names = calloc(count + 1, sizeof(*names));
	if (names == NULL || count > NAMES_MAXIMUM || cursor.size > QUOTA_PAGE_CURSOR_SIZE - 2) {
		free(names);
		call->callback(call->context, NULL, 0, "");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		names[found].is_shared = call->is_shared;
		found += read_name(redis_value_text(redis_value_at(keys, i)), &names[found].name);
	}
	if (!span_equal(cursor, SPAN("0")))
		snprintf(next, sizeof(next), "%c%.*s", call->is_shared ? 's' : 'u', SPAN_ARGS(cursor));
	else if (!call->is_shared)
		snprintf(next, sizeof(next), "s0");
	call->callback(call->context, names, found, next);
	free(names);
}

static void on_scanned(void *context, enum status status, const struct redis_value *value)
{
	struct scan_call *call = context;
	bool has_answered = script_has_answered(status, value, 2); /* without an answer, `value` is NULL */
	if (has_answered && redis_value_type(redis_value_at(value, 1)) == REDIS_ARRAY)
		answer_page(call, redis_value_text(redis_value_at(value, 0)), redis_value_at(value, 1));
	else
		call->callback(call->context, NULL, 0, "");
	free(call);
}

static bool is_cursor(struct span cursor)
{
	uint64_t number;
	return cursor.size < QUOTA_PAGE_CURSOR_SIZE && (cursor.data[0] == 'u' || cursor.data[0] == 's') &&
	       span_to_u64(span_slice(cursor, 1, cursor.size), &number) == STATUS_OK;
}

static enum status send_scan(struct scan_call *call, struct span cursor)
{
	struct buf pattern BUF_AUTO;
	buf_init(&pattern, QUOTA_KEY_MAXIMUM);
	TRY(quota_write_pattern(&pattern, call->quota->prefix, call->is_shared ? "shared-quota" : "quota"));
	const struct span arguments[] = { SPAN("SCAN"),  cursor,     SPAN("MATCH"), buf_span(&pattern),
					  SPAN("COUNT"), SPAN(STEP), SPAN("TYPE"),  SPAN("hash") };
	return redis_call(call->quota->redis, arguments, 8, QUOTA_CALL_MS, on_scanned, call);
}

enum status quota_list(struct quota *quota, const char *cursor, quota_page_callback *callback, void *context)
{
	struct span at = span_of(cursor[0] ? cursor : "u0");
	if (!is_cursor(at))
		return STATUS_INVALID;
	struct scan_call *call = calloc(1, sizeof(*call));
	if (call == NULL)
		return STATUS_NO_MEMORY;
	*call = (struct scan_call){ quota, at.data[0] == 's', callback, context };
	enum status status = send_scan(call, span_slice(at, 1, at.size));
	if (status != STATUS_OK)
		free(call);
	return status;
}
