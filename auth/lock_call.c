/* The calls to Redis, and what their answers mean. Owns nothing. */
#include "auth/lock_call.h"

#include "quota/user_lock.h"
#include "redis/script.h"

#define CALL_MS 3000
#define VALUE_MAXIMUM 1024 /* bytes */

static void begin_call(struct lock_call *call, struct locks *locks, struct span user_id, lock_callback *callback,
		       void *context)
{
	*call = (struct lock_call){ .locks = locks, .callback = callback, .context = context };
	snprintf(call->user_id, sizeof(call->user_id), "%.*s", SPAN_ARGS(user_id));
}

/* ---- changes */

static void on_changed(void *context, enum by_hand_outcome outcome, uint64_t changed)
{
	struct lock_call *call = context;
	enum status status = outcome == BY_HAND_NOT_DONE ? STATUS_UNAVAILABLE : STATUS_TIMEOUT;
	(void)changed;
	if (outcome == BY_HAND_DONE || outcome == BY_HAND_FEW) {
		status = STATUS_OK;
		call->is_scarce = outcome == BY_HAND_FEW;
		locks_note(call->locks, span_of(call->user_id), call->locked);
	}
	call->callback(call->context, status, NULL);
}

static enum status change_lock(struct lock_call *call, const struct lock *lock)
{
	struct buf value BUF_AUTO;
	buf_init(&value, VALUE_MAXIMUM);
	TRY(user_lock_write(&value, lock->since_s, lock->user, lock->reason));
	return by_hand_change_lock(locks_by_hand(call->locks), call->locked ? BY_HAND_SET : BY_HAND_UNSET,
				   lock->user_id, lock->user, buf_span(&value), on_changed, call);
}

enum status lock_call_set(struct lock_call *call, struct locks *locks, const struct lock *lock, lock_callback *callback,
			  void *context)
{
	begin_call(call, locks, lock->user_id, callback, context);
	call->locked = true;
	return change_lock(call, lock);
}

enum status lock_call_unset(struct lock_call *call, struct locks *locks, const struct lock *lock,
			    lock_callback *callback, void *context)
{
	begin_call(call, locks, lock->user_id, callback, context);
	return change_lock(call, lock);
}

/* ---- reading one */

/* What can't be read is a lock all the same. */
static void read_value(struct span value, struct lock *lock)
{
	struct span version, since;
	if (!span_cut(&value, '\t', &version) || !span_equal(version, SPAN("1")) || !span_cut(&value, '\t', &since) ||
	    span_to_u64(since, &lock->since_s) != STATUS_OK || !span_cut(&value, '\t', &lock->user))
		return;
	lock->user = span_slice(lock->user, 0, NAME_MAXIMUM);
	lock->reason = span_slice(value, 0, LOCK_REASON_MAXIMUM);
}

static void on_read(void *context, enum status status, const struct redis_value *value)
{
	struct lock_call *call = context;
	struct lock lock = { .user_id = span_of(call->user_id) };
	bool is_there = status == STATUS_OK && redis_value_type(value) == REDIS_TEXT;
	if (status == STATUS_OK && !is_there && redis_value_type(value) != REDIS_NIL)
		status = STATUS_UNAVAILABLE;
	if (is_there)
		read_value(redis_value_text(value), &lock);
	call->callback(call->context, status, is_there ? &lock : NULL);
}

enum status lock_call_read(struct lock_call *call, struct locks *locks, struct span user_id, lock_callback *callback,
			   void *context)
{
	struct buf key BUF_AUTO;
	begin_call(call, locks, user_id, callback, context);
	buf_init(&key, LOCKS_KEY_MAXIMUM);
	TRY(locks_write_key(locks, &key));
	const struct span arguments[] = { SPAN("HGET"), buf_span(&key), user_id };
	return redis_call(locks_redis(locks), arguments, 3, CALL_MS, on_read, call);
}
