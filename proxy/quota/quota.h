/*
 * Quota: how much a user sent today, counted in Redis by one Lua script on
 * one key a user, so that any number of nodes count exactly (promise 4).
 *
 * A charge is made under a token (unique for each attempt). A charge whose
 * outcome is unknown is refunded by its token: refunding a token that Redis
 * does not know leaves a tombstone that refuses the late charge. A token is
 * refunded at most once. A day ends at midnight of the configured zone, by
 * Redis's clock; its end is kept with the counts, and the next one comes 22 h
 * later at the earliest, whatever clocks and the zones of other nodes do. Or it
 * is the last 24 hours, in steps of an hour. A minute and an hour slide.
 *
 * Keys in Redis, all of one name in one slot: PREFIXquota:{USER} (charge.lua),
 * PREFIXlock:{USER} (locks, and limits set by hand), PREFIXknown:{USER} (whom
 * they have written to). What a section's members share is counted the same way
 * under the section's name, in keys with "shared-" before the kind.
 */
#ifndef QUOTA_QUOTA_H
#define QUOTA_QUOTA_H

#include "base/buf.h"
#include "config/config.h"
#include "redis/redis.h"

#define QUOTA_CALL_MS 3000       /* the outcome of a longer call is unknown */
#define QUOTA_HASH_SIZE 16       /* digits that stand for a recipient */
#define QUOTA_DAY_LEAST_S 79200U /* 22 h: no day is shorter, whatever clocks do (day.lua) */
#define QUOTA_USER_MAXIMUM 512   /* bytes of a name, the NUL included */

struct quota;

#define QUOTA_APP_PASSWORD_SIZE 16 /* bytes of an id, the NUL included */

/* What a user may send; 0 is no limit. */
struct quota_limits {
	uint64_t messages_per_day;
	uint64_t recipients_per_day;
	uint64_t bytes_per_day;
	uint64_t new_recipients_per_day;      /* that they have never written to before */
	uint64_t messages_per_hour;           /* in any 60 minutes */
	uint64_t messages_per_minute;         /* in any 60 seconds */
	uint64_t recipients_per_message;      /* a charge knows nothing of this one, nor of the next */
	uint64_t refused_recipients_per_hour; /* see refused.h */
	/* Of the app password that they logged in with, if it has one. */
	char app_password[QUOTA_APP_PASSWORD_SIZE];
	uint64_t app_password_messages_per_day;
	const char *section;               /* the configuration's that these are of; NULL: unknown */
	const struct config_quota *shared; /* what all its members may send together, besides; or NULL */
};

/* Where the configuration has no section that applies, not even `default`. */
#define QUOTA_LIMITS_DEFAULT                                \
	((struct quota_limits){ .messages_per_day = 500,    \
				.recipients_per_day = 2000, \
				.messages_per_minute = 60,  \
				.refused_recipients_per_hour = 100 })

/* A message to be charged. */
struct quota_order {
	struct span user, user_id; /* a lock of this id on the name refuses it */
	struct span token;
	uint64_t recipients, bytes;
	/*
	 * Appends QUOTA_HASH_SIZE digits for each recipient (quota_hash_recipient). Only asked where strangers have a
	 * limit, at any time until the charge calls back. NULL: there are no recipients to be looked at.
	 */
	enum status (*write_hashes)(const void *message, struct buf *out);
	const void *message;
};

enum quota_verdict {
	QUOTA_UNKNOWN = 0, /* Redis failed or is late: refuse with 451, and refund the token */
	QUOTA_NOT_CHARGED, /* Redis is away or refused, and wrote nothing: refuse with 451, refund nothing */
	QUOTA_GRANTED,
	QUOTA_DAY_EXCEEDED,   /* 550 5.4.5 */
	QUOTA_BURST_EXCEEDED, /* 451 4.7.1: too many within a minute or an hour */
	QUOTA_LOCKED,         /* 550 5.7.1: an administrator locked this user; nothing was taken */
};

struct quota_state {
	uint64_t used;      /* of what is exceeded, or of messages */
	uint64_t limit;     /* 0: none */
	const char *unit;   /* "messages", "recipients", "messages within an hour", …; static */
	const char *shared; /* the section whose members share what is exceeded; NULL: it is the user's own */
	uint64_t messages;  /* today (with rolling days in the last 24 hours), the charged one included */
	uint64_t recipients;
	uint64_t bytes;
	uint64_t new_today;      /* recipients never written to before, where they are counted */
	uint64_t new_recipients; /* those of them that this message is the first to */
	/*
	 * Seconds since 1970: when the day ends, or there is room for what was refused; where days roll, when the first
	 * of the messages that count no longer does.
	 */
	uint64_t resets_at;
	uint64_t lease;             /* quota_charge_locally: by which it can be given back */
	uint64_t day_ends_at;       /* QUOTA_GRANTED: when the user's day ends, whether or not days roll */
	struct quota_limits limits; /* in force, overrides applied */
	/* QUOTA_UNKNOWN, QUOTA_NOT_CHARGED: why, for the log; empty: Redis is away. Valid during the callback. */
	struct span trouble;
};

typedef void quota_callback(void *context, enum quota_verdict verdict, const struct quota_state *state);

/*
 * Counts have a name: a user's, or a TAB and a section's title for what its members share (no user's name holds a TAB).
 * Writes that of the section; STATUS_TOO_LARGE.
 */
MUST_USE enum status quota_name_shared(const char *section, char out_name[QUOTA_USER_MAXIMUM]);
bool quota_name_is_shared(struct span name);

/*
 * `redis` must outlive it. `zone` becomes this process's local time zone (TZ), its file read here and never again;
 * STATUS_INVALID when there is none of that name.
 */
MUST_USE enum status quota_create(struct loop *loop, struct redis *redis, const char *prefix, const char *zone,
				  struct quota **out_quota);
void quota_free(struct quota **quota);
/* What watches over Redis's memory of counts (memory.h): from now on a charge counts only once it is confirmed. */
struct memory;
void quota_use_memory(struct quota *quota, struct memory *memory);
/* False: nothing may be charged now, as counts are missing; the text says why, and is valid until the next call. */
bool quota_may_charge(struct quota *quota, struct span *out_why);
/* redis.on_failure = "local": what leases.h says. `process` names this one in Redis, and must outlive it. */
MUST_USE enum status quota_use_leases(struct quota *quota, const char *process);
/* While Redis is away: true if the message is covered by what was lent before, and charged to that. */
bool quota_charge_locally(struct quota *quota, const struct quota_order *order, const struct quota_limits *limits,
			  struct quota_state *out_state);
/* Gives back what that charged to the lease that the state named. */
void quota_refund_locally(struct quota *quota, struct span user, uint64_t lease, uint64_t recipients, uint64_t bytes);
/* Redis is connected anew, or has lost its memory, or another process takes over. */
void quota_reconcile_leases(struct quota *quota);
void quota_void_leases(struct quota *quota);
void quota_drain_leases(struct quota *quota);
bool quota_leases_are_back(const struct quota *quota); /* after that: the process may end */
/* The counts of this node, which is gone for good, are waited for no more. STATUS_NOT_FOUND, STATUS_UNAVAILABLE. */
MUST_USE enum status quota_do_without(struct quota *quota, struct span node);

/* Limits set by hand are done once so many replicas have them, too (by_hand.h). */
void quota_want_replicas(struct quota *quota, uint64_t replicas);

/* Counts by the last 24 hours, in steps of an hour, instead of by days. */
void quota_roll_days(struct quota *quota);

/*
 * The limits of the section that a user falls under, by name, domain or group, then `default`; its name is returned.
 * Sections whose members share their limits are apart from that: the first that names the user counts besides.
 */
const char *quota_limits_for(const struct config *config, struct span user, const struct span *groups,
			     size_t group_count, struct quota_limits *out_limits);

/* What a section says. */
struct quota_limits quota_limits_of(const struct config_quota *section);

/* Appends the digits that stand for a recipient, however their address is spelled. */
MUST_USE enum status quota_hash_recipient(struct span address, struct buf *out);

/*
 * Charges one message, to the user, and to those that they share limits with: first to these, and if the user's own
 * limits then refuse it, it is given back to them. Calls back exactly once.
 */
MUST_USE enum status quota_charge(struct quota *quota, const struct quota_order *order,
				  const struct quota_limits *limits, quota_callback *callback, void *context);
/*
 * The token's message was handed over, or may have been: it is never refunded, and Redis may forget the token (with one
 * of the next charges). `limits` as they were charged.
 */
void quota_settle(struct quota *quota, struct span user, const struct quota_limits *limits, struct span token);
/*
 * Gives back what the token charged, whatever became of the charge. Retried while Redis is away, for as long as the
 * charge could matter (its day).
 */
void quota_refund(struct quota *quota, struct span user, const struct quota_limits *limits, struct span token);
/* Refunds that Redis has not confirmed yet. A draining relay waits for 0. */
size_t quota_refunds_pending(const struct quota *quota);

/* True when a count less than 5 s old already shows that this user has reached the day's limit: refuse early. */
bool quota_is_exhausted(struct quota *quota, struct span user, const struct quota_limits *limits,
			struct quota_state *out_state);
/*
 * Somebody has changed counts or limits by hand: what was seen of them refuses nothing any more. `name`: a user's, or
 * a TAB and the section's.
 */
void quota_forget_seen(struct quota *quota, struct span name);

/* "Daily sending quota exceeded: 500 of 500 messages, resets at 2026-11-23T00:00:00Z" */
void quota_format(enum quota_verdict verdict, const struct quota_state *state, char *out_text, size_t size);

#endif
