/*
 * What the relay keeps of each user while it runs: how many transactions are
 * under way, the limits last seen in a grant (the control door asks by name and
 * knows no groups), and which day's quota.exceeded is recorded already.
 */
#ifndef RELAY_USERS_H
#define RELAY_USERS_H

#include "base/map.h"
#include "quota/quota.h"
#include "relay/rations.h"
#include "relay/spool.h"

/* Remembered; beyond it users without a transaction, or a record to come, are forgotten, the oldest first. */
#define USERS_MAXIMUM 100000

struct delivery;

/* What is known of its refused recipients (probing.c). */
struct probing {
	uint64_t refused;         /* within the hour, as Redis last said */
	uint64_t stale_ms;        /* from then on fewer of them may count: of the loop's clock */
	size_t in_flight;         /* recipients that a relay was asked for, and the client has not heard of */
	struct delivery *waiting; /* until fewer are in flight, or for what Redis says: the first of a list */
	bool is_looking;          /* Redis is asked */
};

struct user {
	struct map_link link;
	struct user *older, *newer; /* in the order they were added */
	unsigned transactions;      /* under way */
	struct spool_share spool;   /* of its messages */
	struct probing probing;
	struct quota_limits limits; /* of the last grant */
	uint64_t exceeded_day;      /* resets_at of the day whose quota.exceeded is recorded; 0: none */
	uint64_t warned_day;        /* end of the day of which `warned` tells; 0: none */
	unsigned char warned[3];    /* percent of messages, recipients, bytes at which they were warned (warnings.h) */
	struct ration ration;       /* of records message.refused */
	size_t name_size;
	char name[];
};

struct users;

MUST_USE enum status users_create(struct users **out_users);
void users_free(struct users **users);
/*
 * The user, made with these limits if new. NULL out of memory. Good until a later users_enter, or longer while
 * `transactions` is not 0 or `spool` not free.
 */
struct user *users_enter(struct users *users, struct span name, const struct quota_limits *limits);
/* The user, or NULL. */
struct user *users_find(const struct users *users, struct span name);

#endif
