/*
 * Users whom an administrator has locked out, by id. They are kept in Redis, without expiry and shared by nodes, and
 * copied here, so that a lock known once holds while Redis is away:
 *
 *   PREFIXauth:1:locks   a hash by user id: "1 TAB seconds since 1970 TAB user's name TAB reason"
 *   PREFIXlock:{USER}    a hash by user id, of the same locks; it lies beside the counts of the user's quota, and the
 *                        charge of each message looks at it (quota/charge.lua)
 *
 * If Redis loses them they come back from the copies that the relays of all nodes keep (quota/by_hand.h).
 *
 * Redis is trusted no more than a peer: a lock that can't be read still locks.
 */
#ifndef AUTH_LOCKS_H
#define AUTH_LOCKS_H

#include "auth/identity.h"
#include "quota/by_hand.h"
#include "redis/redis.h"

#define LOCKS_MAXIMUM 100000   /* held here; more are an error that is logged */
#define LOCKS_KEY_MAXIMUM 1024 /* bytes of a key */

struct locks;

MUST_USE enum status locks_create(struct loop *loop, struct redis *redis, const char *prefix, struct locks **out_locks);
void locks_free(struct locks **locks); /* after the Redis client; NULL-safe; sets to NULL */

/*
 * The user of this id and name. A lock on "name:NAME" is on whoever has that name, as its event is (event_means_user):
 * a service, or somebody whose entry was away when they were locked.
 */
bool locks_hold(const struct locks *locks, struct span user_id, struct span user);
/* Somebody was locked, or is not any more, as an event says. */
void locks_note(struct locks *locks, struct span user_id, bool locked);
/* Reads all of them again, as some may have been missed. */
void locks_reload(struct locks *locks);

/* For the calls of lock_call.h: the key of all locks, and where it lies. */
MUST_USE enum status locks_write_key(const struct locks *locks, struct buf *key);
struct redis *locks_redis(const struct locks *locks);
struct by_hand *locks_by_hand(struct locks *locks);

#endif
