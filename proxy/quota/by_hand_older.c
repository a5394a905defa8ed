/* The pages of what an older program has set. Owns nothing. */
#include "quota/by_hand_older.h"

#include "quota/quota_private.h"
#include "quota/user_lock.h"

#define CALL_MS 3000
#define ARGUMENTS 6

static const char source[] =
#include "quota/by_hand_older.lua.h"
	;

enum { STEP_LOCKS, STEP_LIMITS, STEP_SHARED_LIMITS, STEPS };

static void begin_step(struct by_hand_older *older, unsigned step)
{
	older->step = step;
	snprintf(older->cursor, sizeof(older->cursor), "0");
}

enum status by_hand_older_init(struct by_hand_older *older, const struct by_hand *by_hand)
{
	older->by_hand = by_hand;
	begin_step(older, STEP_LOCKS);
	return redis_script_init(&older->script, source);
}

bool by_hand_older_has_more(const struct by_hand_older *older)
{
	return older->step < STEPS;
}

void by_hand_older_end(struct by_hand_older *older)
{
	older->step = STEPS;
}

enum status by_hand_older_look(struct by_hand_older *older, redis_callback *callback, void *context)
{
	const char *prefix = older->by_hand->prefix;
	const char *kind = older->step == STEP_SHARED_LIMITS ? "shared-lock" : "lock";
	struct buf rows BUF_AUTO, locks BUF_AUTO, pattern BUF_AUTO, beginning BUF_AUTO;
	buf_init(&rows, QUOTA_KEY_MAXIMUM);
	buf_init(&locks, QUOTA_KEY_MAXIMUM);
	buf_init(&pattern, QUOTA_KEY_MAXIMUM);
	buf_init(&beginning, QUOTA_KEY_MAXIMUM);
	TRY(buf_printf(&rows, "%sby-hand", prefix));
	if (older->step == STEP_LOCKS)
		TRY(user_lock_write_list_key(&locks, prefix));
	TRY(quota_write_pattern(&pattern, prefix, kind));
	TRY(buf_printf(&beginning, "%s%s:{", prefix, kind));
	const struct span arguments[ARGUMENTS] = {
		buf_span(&rows),    span_of(older->cursor), buf_span(&locks),
		buf_span(&pattern), buf_span(&beginning),   older->step == STEP_SHARED_LIMITS ? SPAN("\t") : SPAN("")
	};
	return redis_run_script(older->by_hand->redis, &older->script, arguments, ARGUMENTS, 1, CALL_MS, callback,
				context);
}

bool by_hand_older_take(struct by_hand_older *older, const struct redis_value *value)
{
	struct span cursor = redis_value_text(value);
	if (span_is_empty(cursor) || cursor.size >= sizeof(older->cursor))
		return false;
	if (span_equal(cursor, SPAN("0")))
		begin_step(older, older->step + 1);
	else
		snprintf(older->cursor, sizeof(older->cursor), "%.*s", SPAN_ARGS(cursor));
	return true;
}
