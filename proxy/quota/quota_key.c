/* What a user's counts are called in Redis. */
#include "quota/quota_private.h"

enum status quota_key(struct buf *b, const char *prefix, struct span user)
{
	if (user.size > QUOTA_USER_MAXIMUM)
		return STATUS_TOO_LARGE;
	TRY(buf_append_text(b, prefix));
	TRY(buf_append_text(b, "quota:{"));
	TRY(buf_append(b, user));
	return buf_append_byte(b, '}');
}
