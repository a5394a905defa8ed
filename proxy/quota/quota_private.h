/*
 * The inside of the quota room: quota.c makes the calls, quota_day.c knows
 * when days begin, quota_recent.c what was seen lately of each user,
 * quota_refund.c sees that refunds arrive.
 */
#ifndef QUOTA_QUOTA_PRIVATE_H
#define QUOTA_QUOTA_PRIVATE_H

#include "base/buf.h"
#include "quota/quota.h"

#define QUOTA_USER_MAXIMUM 512 /* bytes of a user's name */
#define QUOTA_TOKEN_MAXIMUM 64 /* bytes */
#define QUOTA_SETTLED 16       /* tokens forgotten with one charge */
#define QUOTA_DAY_NUMBERS 7    /* what day.lua is given: the clock, and six beginnings of days */

/* ---- quota_day.c */

/* Reads the zone's file and makes it the process's; STATUS_INVALID. */
MUST_USE enum status quota_day_set_zone(const char *zone);
/* In seconds since 1970: `now_s`, and when yesterday, today, tomorrow and the three days after begin. */
void quota_day_numbers(uint64_t now_s, uint64_t out_numbers[QUOTA_DAY_NUMBERS]);

/* ---- quota_recent.c: a bounded table of users, the oldest entry of a row gives way */

struct quota_recent;

MUST_USE enum status quota_recent_create(struct quota_recent **out_recent);
void quota_recent_free(struct quota_recent **recent);
void quota_recent_note(struct quota_recent *recent, struct span user, const struct quota_state *state, uint64_t now_ms);
/* What was noted less than 5 s ago. */
bool quota_recent_get(const struct quota_recent *recent, struct span user, uint64_t now_ms,
		      struct quota_state *out_state);
void quota_recent_forget(struct quota_recent *recent, struct span user);
/* Keeps a settled token for the user's next charge; dropped where there is no room. */
void quota_recent_settle(struct quota_recent *recent, struct span user, struct span token);
/* Takes the settled tokens: views valid until the next call on `recent`. */
size_t quota_recent_take_settled(struct quota_recent *recent, struct span user, struct span out_tokens[QUOTA_SETTLED]);

/* ---- quota_refund.c */

struct quota_refunds;

MUST_USE enum status quota_refunds_create(struct loop *loop, struct redis *redis, const char *prefix,
					  struct quota_refunds **out_refunds);
void quota_refunds_free(struct quota_refunds **refunds);
void quota_refunds_add(struct quota_refunds *refunds, struct span user, struct span token);
size_t quota_refunds_count(const struct quota_refunds *refunds);

#endif
