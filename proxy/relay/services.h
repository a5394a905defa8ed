/* What every message passing through the relay role uses: made once by relay.c, lent to the others of this room. */
#ifndef RELAY_SERVICES_H
#define RELAY_SERVICES_H

#include "audit/audit.h"
#include "config/config.h"
#include "quota/budget.h"
#include "quota/quota.h"
#include "quota/refused.h"
#include "relay/mailboxes.h"
#include "relay/message_id.h"
#include "relay/rations.h"
#include "relay/spool.h"
#include "relay/upstream/upstream.h"
#include "relay/users.h"
#include "stats/stats.h"

struct role_context;

struct services {
	const struct role_context *role;
	struct loop *loop;
	const struct config *config;
	struct stats *stats;
	struct audit *audit;
	struct rations rations; /* of records */
	struct quota *quota;
	struct refused_recipients *refused;
	struct spool *spool;
	struct users *users;
	struct upstream_pool **pools; /* one a relay section, in the config's order */
	struct budget **budgets;      /* the same; NULL where its account has no limits */
	struct mailboxes *mailboxes;  /* budgets of relays with per_sender */
	struct message_ids ids;
};

#endif
