/* Locks as text. Owns nothing. */
#include "quota/user_lock.h"

#include <inttypes.h>

enum status user_lock_write_list_key(struct buf *key, const char *prefix)
{
	return buf_printf(key, "%sauth:1:locks", prefix);
}

enum status user_lock_write(struct buf *value, uint64_t since_s, struct span user, struct span reason)
{
	return buf_printf(value, "1\t%" PRIu64 "\t%.*s\t%.*s", since_s, SPAN_ARGS(user),
			  SPAN_ARGS(span_slice(reason, 0, USER_LOCK_REASON_MAXIMUM)));
}
