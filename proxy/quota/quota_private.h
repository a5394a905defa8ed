/*
 * The inside of the quota room: quota.c owns the parts, quota_charge.c charges, quota_show.c and quota_override.c are
 * for administrators, quota_scan.c finds everybody, quota_key.c names keys, quota_day.c knows when days begin,
 * quota_recent.c what was seen lately of each user, quota_refund.c sees that refunds arrive, quota_past.c reads what
 * was sent on former days, and quota_batch.c asks about many users at once.
 */
#ifndef QUOTA_QUOTA_PRIVATE_H
#define QUOTA_QUOTA_PRIVATE_H

#include "base/buf.h"
#include "quota/by_hand.h"
#include "quota/quota.h"
#include "quota/quota_batch.h"
#include "quota/quota_control.h"

#define QUOTA_KEY_MAXIMUM (2 * QUOTA_USER_MAXIMUM) /* bytes of a key */
#define QUOTA_TOKEN_MAXIMUM 64                     /* bytes */
#define QUOTA_SETTLED 16                           /* tokens forgotten with one charge, at most */
#define QUOTA_DAY_TODAY 2                          /* of the day's numbers: when today began */
#define QUOTA_DAY_NUMBERS 7                        /* what day.lua is given: the clock, and six beginnings of days */

/* When the days around a moment begin, as the charge is told. Zeroed: not known yet. */
struct quota_days {
	uint64_t from_s, until_s; /* what stands in `text` is right for any moment from the one until the other */
	char text[6 * 21];
};

struct quota {
	struct loop *loop;
	struct redis *redis;
	char *prefix;
	struct redis_script charge, show;
	struct quota_batch shows, histories, resets;
	struct by_hand by_hand;
	struct quota_recent *recent;
	struct quota_refunds *refunds;
	struct memory *memory; /* or NULL */
	struct leases *leases; /* or NULL */
	struct quota_days days;
	bool is_rolling;
	bool counts_strangers; /* also of users without a limit of them */
};

/* ---- quota_scripts.c */

extern const char quota_charge_source[], quota_refund_source[], quota_show_source[];

/* ---- quota_key.c */

/* KIND is "quota", "lock" or "known". STATUS_TOO_LARGE: the name. */
MUST_USE enum status quota_write_key(struct buf *key, const char *prefix, const char *kind, struct span name);
/* All keys of a kind, as SCAN wants them; here the kind is as in the key. */
MUST_USE enum status quota_write_pattern(struct buf *pattern, const char *prefix, const char *kind);
/* The name as it is here. */
MUST_USE enum status quota_name_of(const struct quota_name *given, char out_name[QUOTA_USER_MAXIMUM]);

/* ---- quota_override.c */

/* Reads "limit OPTION" and its value, and applies it; false: it is none that holds at `now_s`. */
bool quota_override_read(struct span field, struct span value, uint64_t now_s, struct quota_override *out_override);
void quota_override_apply(const struct quota_override *override, struct quota_limits *limits);

/* ---- quota_day.c */

/* Reads the zone's file and makes it the process's; STATUS_INVALID. */
MUST_USE enum status quota_day_set_zone(const char *zone);
/* In seconds since 1970: `now_s`, and when yesterday, today, tomorrow and the three days after begin. */
void quota_day_numbers(uint64_t now_s, uint64_t out_numbers[QUOTA_DAY_NUMBERS]);
/* The same, but for `now_s`, as one text, which is a view into `days`. */
struct span quota_days_text(struct quota_days *days, uint64_t now_s);

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
/*
 * Takes the settled tokens: views valid until the next call on `recent`. Not one by one, unless they are wanted at
 * once: together they cost Redis little more than one.
 */
size_t quota_recent_take_settled(struct quota_recent *recent, struct span user, bool at_once,
				 struct span out_tokens[QUOTA_SETTLED]);

/* ---- quota_refund.c */

struct quota_refunds;

MUST_USE enum status quota_refunds_create(struct loop *loop, struct redis *redis, const char *prefix,
					  struct quota_refunds **out_refunds);
void quota_refunds_free(struct quota_refunds **refunds);
void quota_refunds_add(struct quota_refunds *refunds, struct span user, struct span token);
size_t quota_refunds_count(const struct quota_refunds *refunds);

#endif
