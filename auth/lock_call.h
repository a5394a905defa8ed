/*
 * Locking a user, unlocking them, and reading a lock, in Redis (locks.h). Each is one call, embedded in its owner.
 */
#ifndef AUTH_LOCK_CALL_H
#define AUTH_LOCK_CALL_H

#include "auth/locks.h"

#define LOCK_REASON_MAXIMUM 200 /* bytes */

struct lock {
	struct span user_id;
	struct span user;   /* the name that they had then; empty where an id was locked */
	struct span reason; /* may be empty */
	uint64_t since_s;   /* seconds since 1970; 0 where it can't be read */
};

/*
 * STATUS_OK: it is done, and noted in the copy; `is_scarce` of the call says whether it may be forgotten. Else it
 * failed (STATUS_UNAVAILABLE), or nobody knows. `lock`: what was read, valid during the call; NULL where there is none.
 */
typedef void lock_callback(void *context, enum status status, const struct lock *lock);

/* Must stay in its place until it has called back, or until the Redis client is gone. */
struct lock_call {
	struct locks *locks;
	lock_callback *callback;
	void *context;
	char user_id[IDENTITY_ID_SIZE];
	bool locked;
	bool is_scarce; /* too few replicas have it: if Redis's primary fails now, it is forgotten (BY_HAND_FEW) */
};

/* Each calls back once, later, unless it fails at once. */
MUST_USE enum status lock_call_set(struct lock_call *call, struct locks *locks, const struct lock *lock,
				   lock_callback *callback, void *context);
/* `lock` as it was read: it says which name has it, too. */
MUST_USE enum status lock_call_unset(struct lock_call *call, struct locks *locks, const struct lock *lock,
				     lock_callback *callback, void *context);
MUST_USE enum status lock_call_read(struct lock_call *call, struct locks *locks, struct span user_id,
				    lock_callback *callback, void *context);

#endif
