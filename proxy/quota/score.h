/*
 * What users are in the habit of, kept in Redis: each message is noted, and compared with the user's last 28 days
 * (score_rule.h says what that means). Keys of a user, all with an expiry of 56 days:
 *
 *   PREFIXscore:1:{USER}                     a hash (score.lua)
 *   PREFIXscore-known-0:{USER}, …-1:{USER}   recipients that they wrote to: two Bloom filters of 2 KiB
 *   PREFIXscore-since                        since when habits have been kept
 *
 * Without Redis there are no facts, and nobody is suspected.
 */
#ifndef QUOTA_SCORE_H
#define QUOTA_SCORE_H

#include "base/buf.h"
#include "quota/score_rule.h"
#include "redis/redis.h"

#define SCORE_RECIPIENTS 100       /* of a message that are looked at */
#define SCORE_LASTS_S 3600         /* for so long one alert counts, and a throttled user waits */
#define SCORE_LOOK_AGAIN_MS 600000 /* at score-since */

struct scores;

/* A message; views. */
struct score_message {
	struct span user;
	struct span network, client; /* in words; hashes of them are kept */
	struct span recipients;      /* QUOTA_HASH_SIZE digits for each who is outside (quota_hash_recipient) */
};

enum score_verdict {
	SCORE_UNKNOWN = 0, /* Redis failed or is late */
	SCORE_COUNTED,
	SCORE_LEARNING, /* counted; but habits have been kept for too short a time to say anything */
	SCORE_WAITING,  /* not counted: mail of this user waits (SCORE_THROTTLE) */
};

enum score_action { SCORE_RECORD, SCORE_THROTTLE, SCORE_LOCK };

typedef void score_callback(void *context, enum score_verdict verdict, const struct score_facts *facts);
/* `is_first`: nobody has acted upon it yet. STATUS_UNAVAILABLE: nothing is known, a lock may be missing. */
typedef void score_mark_callback(void *context, enum status status, bool is_first);

/* `learning_s`: for so long after the first look at habits nothing is said of anybody. `redis` must outlive it. */
MUST_USE enum status scores_create(struct loop *loop, struct redis *redis, const char *prefix, uint64_t learning_s,
				   struct scores **out_scores);
/* So many must have a lock, lest a failover forgets it (by_hand.h); else the log tells. */
void scores_want_replicas(struct scores *scores, uint64_t replicas);
void scores_free(struct scores **scores); /* after Redis; calls still open end without a callback; NULL-safe */

/* Both call back exactly once, never inside this call, if STATUS_OK. */
MUST_USE enum status scores_take(struct scores *scores, const struct score_message *message, score_callback *callback,
				 void *context);
/* SCORE_LOCK: locks `user_id`, as an administrator does, for `reason`. */
MUST_USE enum status scores_mark(struct scores *scores, struct span user, struct span user_id, enum score_action action,
				 struct span reason, score_mark_callback *callback, void *context);

#endif
