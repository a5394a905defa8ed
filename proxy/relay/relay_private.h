/* The relay role's state, shared by its life's parts: relay.c starts and stops it, drain.c ends it in order. */
#ifndef RELAY_RELAY_PRIVATE_H
#define RELAY_RELAY_PRIVATE_H

#include "net/tls_clients.h"
#include "relay/admin_door.h"
#include "relay/alerts.h"
#include "relay/audit_watch.h"
#include "relay/auth_door.h"
#include "relay/earlier_audit.h"
#include "relay/exporting.h"
#include "relay/quota_watch.h"
#include "relay/rebuilding.h"
#include "relay/recheck.h"
#include "relay/records.h"
#include "relay/withdrawals.h"
#include "role/role.h"

/* One relay section. */
struct account {
	struct relay *relay;
	const struct config_relay *section;
	size_t index;
	struct secret ca; /* PEM; not secret, but read the same way */
};

struct relay {
	const struct role_context *context;
	struct services services;
	struct alerts alerts;
	struct account *accounts;
	struct redis *redis;
	struct quota_nodes *quota_nodes;
	struct rebuilding rebuilding;
	struct secret redis_password, sentinel_password;
	struct tls_clients *tls_clients;
	struct resolver *resolver;
	struct backoffs *backoffs;
	struct slots *slots;
	struct grants *grants;
	struct deliveries *deliveries;
	struct gate_doors gates;
	struct relay_auth_door auth;
	struct withdrawals withdrawals;
	struct rechecks rechecks;
	struct audit_watch audit_watch;
	struct earlier_audit earlier; /* while it starts */
	struct exporting exporting;
	struct control control;
	struct timer *drain_timer;
	uint64_t cut_ms, end_ms; /* of the drain */
	uint64_t admin_ms;       /* until then, the admin role may have something to record */
	bool is_cut, is_finished;
};

/* The role's `drain`. */
void relay_drain(void *state, uint64_t limit_ms, enum role_drain how);

#endif
