/*
 * Who sends as they never did, as whoever stole a password does: each message is compared with its user's habits
 * (quota/score.h) before it leaves, and from alert.score on, alert.action is taken: once an hour a record user.alert
 * that says why, and a notice; with "throttle" 451 for an hour, with "lock" the user is locked as an administrator
 * would, on all nodes, until one unlocks them. So of many messages at once none passes after the one that reached it.
 */
#ifndef RELAY_JUDGE_H
#define RELAY_JUDGE_H

#include "quota/score.h"
#include "redis/events.h"
#include "relay/grants.h"
#include "relay/services.h"

struct judge;

/* All must outlive it, `scores` but for its answers. */
MUST_USE enum status judge_create(struct services *services, struct scores *scores, struct events *events,
				  struct judge **out_judge);
void judge_free(struct judge **judge); /* after `scores`, which owes it answers; NULL-safe; sets to NULL */

/* For struct message_judge, with the struct judge as context. STATUS_NOT_FOUND: this user is exempt. */
MUST_USE enum status judge_ask(void *context, struct grant *grant, struct span strangers, judged_callback *callback,
			       void *delivery);

#endif
