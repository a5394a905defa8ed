/* What every message passing through the relay role uses: made once by relay.c, lent to the others of this room. */
#ifndef RELAY_SERVICES_H
#define RELAY_SERVICES_H

#include "audit/audit.h"
#include "base/log_pace.h"
#include "config/config.h"
#include "quota/budget.h"
#include "quota/quota.h"
#include "quota/refused.h"
#include "relay/leaving.h"
#include "relay/mailboxes.h"
#include "relay/message_id.h"
#include "relay/notices.h"
#include "relay/rations.h"
#include "relay/spool.h"
#include "relay/upstream/upstream.h"
#include "relay/users.h"
#include "stats/stats.h"

struct rechecks;
struct grant;

/* What is thought of a message, by its user's habits. */
enum judged {
	JUDGED_PUT_OFF = 0, /* 451 */
	JUDGED_GOOD,
	JUDGED_LOCKED, /* its user was locked out by it */
};
typedef void judged_callback(void *delivery, enum judged verdict);

/*
 * Asked of each message before it leaves. Calls back exactly once, never inside this call, if STATUS_OK; else, and
 * where it is not set, the message is good.
 */
struct message_judge {
	/* `strangers`: QUOTA_HASH_SIZE digits for each recipient outside the user's own domains. */
	enum status (*ask)(void *context, struct grant *grant, struct span strangers, judged_callback *callback,
			   void *delivery);
	void *context;
};

/* Hears of each charge that came back, granted or refused for the day (`is_exceeded`). Not set: nobody does. */
struct charge_listener {
	void (*on_charged)(void *context, struct grant *grant, const struct quota_state *state, bool is_exceeded);
	void *context;
};
struct role_context;

struct services {
	const struct role_context *role;
	struct loop *loop;
	const struct config *config;
	struct stats *stats;
	struct audit *audit;
	struct leavings leavings;
	struct rations rations;    /* of records */
	struct log_pace uncharged; /* lines of the log: messages that were not charged */
	struct notices notices;
	struct quota *quota;
	struct refused_recipients *refused;
	struct spool *spool;
	struct users *users;
	struct upstream_pool **pools; /* one a relay section, in the config's order */
	struct budget **budgets;      /* the same; NULL where its account has no limits */
	struct mailboxes *mailboxes;  /* budgets of relays with per_sender */
	struct message_ids ids;
	struct rechecks *rechecks; /* of sessions' rights */
	struct charge_listener charge_listener;
	struct message_judge judge;
};

#endif
