/*
 * The marker: a key in Redis by which a loss is noticed. Its id is made once
 * and kept in the state folder too: another id, or none, means that Redis was
 * emptied, restored or replaced. A number that this process writes after
 * charges, in the same order, tells whether Redis lost some of what it had
 * acknowledged (a replica promoted too early, an older backup).
 *
 * A loss is only reported: users may then send more than a day's quota.
 */
#ifndef QUOTA_MARKER_H
#define QUOTA_MARKER_H

#include "redis/redis.h"

struct marker;

/*
 * `redis` must outlive it. `state_fd`: the file that keeps the id, owned (closed on failure too); -1: it is known
 * only while this process lives. `on_loss`: once for each loss, with a readable reason.
 */
MUST_USE enum status marker_create(struct loop *loop, struct redis *redis, const char *prefix, int state_fd,
				   void (*on_loss)(void *context, const char *what), void *context,
				   struct marker **out_marker);
void marker_free(struct marker **marker);
/*
 * Looks and writes at once, or once more if that is under way: for when Redis has come back, and after a charge was
 * sent. It also looks by itself every few seconds.
 */
void marker_check(struct marker *marker);

#endif
