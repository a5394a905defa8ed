/*
 * Locks and limits that an older program has set, which kept no rows of them (by_hand.h): they get rows, a page of
 * Redis's keys after the other, so that they outlive a loss as others do.
 */
#ifndef QUOTA_BY_HAND_OLDER_H
#define QUOTA_BY_HAND_OLDER_H

#include "quota/by_hand.h"

#define BY_HAND_OLDER_CURSOR 24 /* bytes, the NUL included */

struct by_hand_older {
	const struct by_hand *by_hand; /* must outlive it */
	struct redis_script script;
	unsigned step; /* locks, limits of users, limits of sections, and then no more */
	char cursor[BY_HAND_OLDER_CURSOR];
};

MUST_USE enum status by_hand_older_init(struct by_hand_older *older, const struct by_hand *by_hand);
/* False: all was looked at. */
bool by_hand_older_has_more(const struct by_hand_older *older);
/* The next page; the callback has by_hand_older_take read the answer. */
MUST_USE enum status by_hand_older_look(struct by_hand_older *older, redis_callback *callback, void *context);
/* False: that was no answer. */
bool by_hand_older_take(struct by_hand_older *older, const struct redis_value *value);
/* Looks for no more. */
void by_hand_older_end(struct by_hand_older *older);

#endif
