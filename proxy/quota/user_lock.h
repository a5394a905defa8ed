/*
 * A lock on a user as it stands in Redis among all locks, PREFIXauth:1:locks, a hash by user id (auth/locks.h): "1 TAB
 * seconds since 1970 TAB user's name TAB reason". Beside it, the hash PREFIXlock:{USER} has the id, too.
 */
#ifndef QUOTA_USER_LOCK_H
#define QUOTA_USER_LOCK_H

#include "base/buf.h"

#define USER_LOCK_REASON_MAXIMUM 200 /* bytes; longer ones are cut */

MUST_USE enum status user_lock_write_list_key(struct buf *key, const char *prefix);
/* `user` and `reason` hold no tab. */
MUST_USE enum status user_lock_write(struct buf *value, uint64_t since_s, struct span user, struct span reason);

#endif
