/*
 * Questions about names that are asked in one turn of the loop go to Redis together, in calls of show.lua: a call of
 * its own would cost it several times as much as the question. Private to this room.
 */
#ifndef QUOTA_QUOTA_BATCH_H
#define QUOTA_QUOTA_BATCH_H

#include <sys/queue.h>

#include "quota/quota_control.h"
#include "redis/redis.h"

/* Embedded in what its owner has allocated; its first member. */
struct quota_question {
	TAILQ_ENTRY(quota_question) in_list;
	struct quota_name name; /* a view that stays valid */
	/* What show.lua returns for this name, or NULL: Redis failed or is late. Never inside quota_batch_ask. */
	void (*on_answer)(struct quota_question *question, const struct redis_value *value);
};
TAILQ_HEAD(quota_questions, quota_question);

/* Zeroed but for its first two members: nothing waits. */
struct quota_batch {
	struct quota *quota;
	struct span what; /* static: what show.lua does */
	struct turn_end end;
	struct quota_questions waiting; /* not initialized before the first */
};

/* Questions that wait end without an answer, and are freed. */
void quota_batch_free(struct quota_batch *batch);
/* STATUS_TOO_LARGE: the name; the question stays the caller's. */
MUST_USE enum status quota_batch_ask(struct quota_batch *batch, struct quota_question *question);

#endif
