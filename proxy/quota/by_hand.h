/*
 * What is set by hand and must outlive a loss of Redis's: locks on users, also those that a score brought about, and
 * limits (`quota set`). It acts in hashes without an expiry, which logins and charges look at:
 *
 *   PREFIXauth:1:locks   locks by user id (user_lock.h)
 *   PREFIXlock:{USER}    "1" by user id, a lock; "limit OPTION" (quota_override.c). PREFIXshared-lock:{SECTION}: limits
 *
 * Beside them lies what each was last set to, of which every node keeps a copy in its state folder (by_hand_copy.h):
 *
 *   PREFIXby-hand        a hash: "version" (the newest); "lock USER_ID" and "limit OPTION NAME", each
 *                        "VERSION + PAYLOAD" where it is set, and "VERSION - PAYLOAD" where it was taken back. The
 *                        payload of a lock is its value in PREFIXauth:1:locks, that of a limit its value in
 *                        PREFIXlock:{USER}
 *
 * The rule: the newest version wins, on all nodes. A version is the time by Redis's clock in microseconds, or one more
 * than the last, whichever is later. What was taken back, or has passed, is remembered for 400 days, so that a node
 * that was away that long can't bring it back; one that was away for longer can.
 * What an older program has set, which kept no rows, gets them (by_hand_older.h).
 */
#ifndef QUOTA_BY_HAND_H
#define QUOTA_BY_HAND_H

#include "redis/redis.h"

#define BY_HAND_FIELD_MAXIMUM 640    /* bytes of a row's name */
#define BY_HAND_VALUE_MAXIMUM 1024   /* bytes of a row */
#define BY_HAND_KEPT_S (400 * 86400) /* see above */

/*
 * Where it is called from: one for each owner of a Redis client. `prefix` must outlive it. `replicas`: how many must
 * have what was changed, before it is done; 0 until its owner sets it.
 */
struct by_hand {
	struct redis *redis;
	const char *prefix;
	struct redis_script script;
	uint64_t replicas;
};

MUST_USE enum status by_hand_init(struct by_hand *by_hand, struct redis *redis, const char *prefix);

enum by_hand_deed {
	BY_HAND_SET,
	BY_HAND_ADD, /* unless it is set already */
	BY_HAND_UNSET,
	BY_HAND_END, /* a row is forgotten, if its time has passed */
};

enum by_hand_outcome {
	BY_HAND_UNKNOWN = 0, /* no answer: it may have been done */
	BY_HAND_NOT_DONE,    /* Redis is away, or would not */
	BY_HAND_FEW,         /* done, and too few replicas have it in time: if the primary fails now, it is forgotten */
	BY_HAND_DONE,
};
/* `changed`: how much; 0 where it was not done, or nobody knows. */
typedef void by_hand_callback(void *context, enum by_hand_outcome outcome, uint64_t changed);

/* `user`: the name they had then, or empty; `value`: user_lock_write. */
MUST_USE enum status by_hand_change_lock(struct by_hand *by_hand, enum by_hand_deed deed, struct span user_id,
					 struct span user, struct span value, by_hand_callback *callback,
					 void *context);

/* A limit: "limit OPTION" and "1 N UNTIL". */
struct by_hand_limit {
	struct span field, value;
};
#define BY_HAND_LIMITS 6 /* at once */

/* `name` is as in its key. */
MUST_USE enum status by_hand_change_limits(struct by_hand *by_hand, enum by_hand_deed deed, struct span name,
					   const struct by_hand_limit *limits, size_t count, by_hand_callback *callback,
					   void *context);

/* A row as it is kept; views. */
struct by_hand_row {
	struct span field;
	uint64_t version;
	bool is_set;
	struct span payload;
};

/* False: it is none. */
bool by_hand_read_row(struct span field, struct span value, struct by_hand_row *out_row);
/* The user's id of a lock; empty: it is a limit. */
struct span by_hand_locked_id(const struct by_hand_row *row);
/* Its time has passed at `now_s`, as far as this node's clock can tell. */
bool by_hand_has_ended(const struct by_hand_row *row, uint64_t now_s);
/*
 * Puts it in force where it is newer than what is known there; BY_HAND_END: see there. The answer is an integer: how
 * much was changed.
 */
MUST_USE enum status by_hand_bring(struct by_hand *by_hand, const struct by_hand_row *row, bool has_ended,
				   redis_callback *callback, void *context);

#endif
