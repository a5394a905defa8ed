/*
 * Quota: how much a user sent today, counted in Redis by one Lua script on
 * one key a user, so that any number of nodes count exactly (promise 4).
 *
 * A charge is made under a token (unique for each attempt). A charge whose
 * outcome is unknown is refunded by its token: refunding a token that Redis
 * does not know leaves a tombstone that refuses the late charge. A token is
 * refunded at most once. A day ends at midnight of the configured zone, by
 * Redis's clock; its end is kept with the counts, and the next one comes 22 h
 * later at the earliest, whatever clocks and the zones of other nodes do.
 */
#ifndef QUOTA_QUOTA_H
#define QUOTA_QUOTA_H

#include "config/config.h"
#include "redis/redis.h"

#define QUOTA_CALL_MS 3000 /* the outcome of a longer call is unknown */

struct quota;

/* What a user may send; 0 is no limit. */
struct quota_limits {
	uint64_t messages_per_day;
	uint64_t recipients_per_day;
	uint64_t bytes_per_day;
	uint64_t messages_per_minute;
	uint64_t refused_recipients_per_hour; /* see refused.h; a charge knows nothing of it */
};

/* Where the configuration has no section that applies, not even `default`. */
#define QUOTA_LIMITS_DEFAULT                                \
	((struct quota_limits){ .messages_per_day = 500,    \
				.recipients_per_day = 2000, \
				.messages_per_minute = 60,  \
				.refused_recipients_per_hour = 100 })

enum quota_verdict {
	QUOTA_UNKNOWN = 0, /* Redis failed or is late: refuse with 451, and refund the token */
	QUOTA_NOT_CHARGED, /* Redis is away or refused, and wrote nothing: refuse with 451, refund nothing */
	QUOTA_GRANTED,
	QUOTA_DAY_EXCEEDED,  /* 550 5.4.5 */
	QUOTA_BURST_EXCEEDED /* 451 4.7.1: too many in this minute */
};

struct quota_state {
	uint64_t used;     /* of what is exceeded, or of messages */
	uint64_t limit;    /* 0: none */
	const char *unit;  /* "messages", "recipients", "bytes"; static */
	uint64_t messages; /* today, the charged one included */
	uint64_t recipients;
	uint64_t bytes;
	uint64_t resets_at;         /* seconds since 1970: when the day ends */
	struct quota_limits limits; /* in force, overrides applied */
	/* QUOTA_UNKNOWN, QUOTA_NOT_CHARGED: why, for the log; empty: Redis is away. Valid during the callback. */
	struct span trouble;
};

typedef void quota_callback(void *context, enum quota_verdict verdict, const struct quota_state *state);

/*
 * `redis` must outlive it. `zone` becomes this process's local time zone (TZ), its file read here and never again;
 * STATUS_INVALID when there is none of that name.
 */
MUST_USE enum status quota_create(struct loop *loop, struct redis *redis, const char *prefix, const char *zone,
				  struct quota **out_quota);
void quota_free(struct quota **quota);
/* Each charge is followed by a look at the marker, by which a loss is noticed; NULL: none. Must outlive the charges. */
struct marker;
void quota_use_marker(struct quota *quota, struct marker *marker);

/* The limits of the section that a user falls under: by name, then by group, then `default`. */
void quota_limits_for(const struct config *config, struct span user, const struct span *groups, size_t group_count,
		      struct quota_limits *out_limits);

/* Charges one message. Calls back exactly once. */
MUST_USE enum status quota_charge(struct quota *quota, struct span user, struct span token,
				  const struct quota_limits *limits, uint64_t recipients, uint64_t bytes,
				  quota_callback *callback, void *context);
/*
 * The token's message was handed over, or may have been: it is never refunded, and Redis may forget the token (with the
 * user's next charge).
 */
void quota_settle(struct quota *quota, struct span user, struct span token);
/*
 * Gives back what the token charged, whatever became of the charge. Retried while Redis is away, for as long as the
 * charge could matter (its day).
 */
void quota_refund(struct quota *quota, struct span user, struct span token);
/* Refunds that Redis has not confirmed yet. A draining relay waits for 0. */
size_t quota_refunds_pending(const struct quota *quota);

/* True when a count less than 5 s old already shows that this user has reached the day's limit: refuse early. */
bool quota_is_exhausted(struct quota *quota, struct span user, const struct quota_limits *limits,
			struct quota_state *out_state);

/* What is used; QUOTA_GRANTED with the state, or QUOTA_UNKNOWN. */
MUST_USE enum status quota_show(struct quota *quota, struct span user, const struct quota_limits *limits,
				quota_callback *callback, void *context);
/* Sets today's counts to nothing. */
MUST_USE enum status quota_reset(struct quota *quota, struct span user, const struct quota_limits *limits,
				 quota_callback *callback, void *context);

/* "Daily sending quota exceeded: 500 of 500 messages, resets at 2026-11-23T00:00:00Z" */
void quota_format(enum quota_verdict verdict, const struct quota_state *state, char *out_text, size_t size);

#endif
