/*
 * The relay role: the one place that lets mail out. Makes and owns what the
 * others of this room share (Redis, quota, audit, spool, resolver, one pool a
 * relay), serves its doors, and drains. Gates, auth and admin come and go; it
 * starts only if the audit and the spool can be written.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "quota/marker.h"
#include "relay/admin_door.h"
#include "relay/auth_door.h"
#include "relay/records.h"
#include "role/role.h"

#define DRAIN_LOOK_MS 100         /* how often a draining relay looks whether it is done */
#define NEIGHBOURS_SLACK_MS 10000 /* former relays that drain may take so much longer than drain_timeout */
#define ACCOUNT_SIZE 600          /* bytes: a host and a user */
#define DRAIN_LAST_WORDS_MS 3000  /* of the time to drain, for refunds and records of what was cut */

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
	struct account *accounts;
	struct redis *redis;
	struct marker *marker; /* by which a loss of Redis's is noticed; NULL before the quota is open */
	struct secret redis_password, audit_key;
	struct resolver *resolver;
	struct backoffs *backoffs;
	struct slots *slots;
	struct grants *grants;
	struct deliveries *deliveries;
	struct gate_doors gates;
	struct auth_door auth;
	struct control control;
	struct timer *drain_timer;
	uint64_t cut_ms, end_ms; /* of the drain */
	bool is_cut, is_finished;
};

/* ---- what others tell */

static void on_redis_change(void *context, bool up, const char *reason)
{
	struct relay *relay = context;
	stats_set(relay->services.stats, COUNTER_REDIS_UP, 0, up);
	if (up && relay->marker)
		marker_check(relay->marker);
	if (up)
		log_info("Redis answers");
	else
		log_error("Redis is away: %s", reason);
}

/* Mail goes on: what Redis has from now on is counted. */
static void on_redis_loss(void *context, const char *what)
{
	struct relay *relay = context;
	stats_add(relay->services.stats, COUNTER_REDIS_LOSSES, 0, 1);
	log_error("Redis has lost counts: %s; users may send more than their quota today", what);
	records_quota_lost(relay->services.audit, span_of(what));
}

static void on_audit_trouble(void *context, const char *what)
{
	(void)context;
	log_error("audit: %s", what);
}

static void on_credential_wanted(void *context, const char *name, const char *mailbox, uint64_t ticket)
{
	struct account *account = context;
	relay_auth_door_ask(&account->relay->auth, name, mailbox, account->relay->services.pools[account->index],
			    ticket);
}

static void on_credential_refused(void *context, const char *name, const char *mailbox, uint64_t serial)
{
	struct account *account = context;
	relay_auth_door_refuse(&account->relay->auth, name, mailbox, serial);
}

/* ---- start */

static enum status open_audit(struct relay *relay)
{
	const struct role_context *context = relay->context;
	struct audit_options options = {
		.fd = role_take_fd(context, "audit"),
		.state_fd = role_take_fd(context, "audit-state"),
		.sync = context->config->audit.sync,
		.node = context->node,
		.on_trouble = on_audit_trouble,
		.context = relay,
	};
	if (options.fd < 0 || options.state_fd < 0)
		return STATUS_NOT_FOUND;
	if (context->config->audit.chain) {
		TRY(role_take_secret(context, "audit-key", &relay->audit_key));
		options.key = &relay->audit_key;
	}
	TRY(audit_create(context->loop, &options, &relay->services.audit));
	return rations_begin(&relay->services.rations, context->loop, relay->services.audit);
}

static enum status open_spool(struct relay *relay)
{
	const struct config *config = relay->context->config;
	uint64_t descriptors = config_descriptors_to_spend();
	uint64_t upstreams = config_descriptors_of_relays(config);
	int folder = role_take_fd(relay->context, "spool");
	if (folder < 0)
		return STATUS_NOT_FOUND;
	return spool_create(relay->context->loop, folder, config->limits.spool,
			    descriptors > upstreams ? descriptors - upstreams : 1, &relay->services.spool);
}

static enum status open_redis(struct relay *relay)
{
	const struct role_context *context = relay->context;
	enum status status = role_take_secret(context, "redis-password", &relay->redis_password);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	struct redis_options options = {
		.server = context->redis_server,
		.user = context->config->redis.user,
		.password = &relay->redis_password,
		.on_change = on_redis_change,
		.context = relay,
	};
	return redis_create(context->loop, &options, &relay->redis);
}

static enum status open_quota(struct relay *relay)
{
	const struct config *config = relay->context->config;
	TRY(refused_create(relay->redis, config->redis.prefix, &relay->services.refused));
	TRY(quota_create(relay->context->loop, relay->redis, config->redis.prefix, config->quota_day.timezone,
			 &relay->services.quota));
	TRY(marker_create(relay->context->loop, relay->redis, config->redis.prefix,
			  role_take_fd(relay->context, "redis-marker"), on_redis_loss, relay, &relay->marker));
	quota_use_marker(relay->services.quota, relay->marker);
	return STATUS_OK;
}

/* Sections of one account share what it may send. */
static enum status open_budget(struct relay *relay, size_t index)
{
	const struct config *config = relay->context->config;
	const struct config_relay *section = &config->relay.items[index];
	struct budget_limits limits;
	char account[ACCOUNT_SIZE];
	if (!mailboxes_limits(section, &limits))
		return STATUS_OK;
	snprintf(account, sizeof(account), "%s|%s", section->host, section->user);
	return budget_create(relay->context->loop, relay->redis, config->redis.prefix, span_of(account), &limits,
			     &relay->services.budgets[index]);
}

static enum status open_budgets(struct relay *relay)
{
	size_t count = relay->context->config->relay.count;
	relay->services.budgets = calloc(count + 1, sizeof(*relay->services.budgets));
	if (relay->services.budgets == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		TRY(open_budget(relay, i));
	return mailboxes_create(relay->context->loop, relay->redis, relay->context->config, &relay->services.mailboxes);
}

static enum status open_pool(struct relay *relay, size_t index)
{
	const struct role_context *context = relay->context;
	struct account *account = &relay->accounts[index];
	char name[256];
	account->relay = relay;
	account->section = &context->config->relay.items[index];
	account->index = index;
	snprintf(name, sizeof(name), "relay-ca:%s", account->section->name);
	enum status status = role_take_secret(context, name, &account->ca);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	struct upstream_options options = {
		.relay = account->section,
		.relay_index = (unsigned)index,
		.helo = context->node,
		.ca_pem = secret_reveal(&account->ca),
		.resolver = relay->resolver,
		.stats = context->stats,
		.backoffs = relay->backoffs,
		.slots = relay->slots,
		.neighbours_ms = context->config->global.drain_timeout + NEIGHBOURS_SLACK_MS,
		.ask_credential = on_credential_wanted,
		.refuse_credential = on_credential_refused,
		.context = account,
	};
	return upstream_pool_create(context->loop, &options, &relay->services.pools[index]);
}

/* What old and new relay share. */
static enum status open_shared(struct relay *relay)
{
	int backoffs = role_take_fd(relay->context, "relay-rests");
	int slots = role_take_fd(relay->context, "slots");
	if (slots < 0) {
		if (backoffs >= 0)
			close(backoffs);
		return STATUS_NOT_FOUND;
	}
	enum status status = slots_create(slots, &relay->slots);
	if (status != STATUS_OK || backoffs < 0) {
		if (backoffs >= 0)
			close(backoffs);
		return backoffs < 0 ? STATUS_NOT_FOUND : status;
	}
	return backoffs_create(relay->context->loop, backoffs, &relay->backoffs);
}

static enum status open_pools(struct relay *relay)
{
	size_t count = relay->context->config->relay.count;
	TRY(resolver_create(relay->context->loop, &relay->resolver));
	relay->accounts = calloc(count + 1, sizeof(*relay->accounts));
	relay->services.pools = calloc(count + 1, sizeof(*relay->services.pools));
	if (relay->accounts == NULL || relay->services.pools == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		TRY(open_pool(relay, i));
	return STATUS_OK;
}

static enum status make_tables(struct relay *relay)
{
	struct services *services = &relay->services;
	TRY(message_ids_init(&services->ids, relay->context->instance));
	TRY(users_create(&services->users));
	TRY(grants_create(services->config, &relay->grants));
	TRY(deliveries_create(services, &relay->deliveries));
	relay->gates =
		(struct gate_doors){ .services = services, .grants = relay->grants, .deliveries = relay->deliveries };
	relay->auth = (struct auth_door){
		.services = services, .grants = relay->grants, .deliveries = relay->deliveries, .gates = &relay->gates
	};
	relay->control = (struct control){ .services = services };
	return STATUS_OK;
}

static void stop_relay(void *state);

static enum status start_relay(const struct role_context *context, void **out_state)
{
	static const struct {
		const char *what;
		enum status (*run)(struct relay *relay);
	} steps[] = {
		{ "tables", make_tables },
		{ "audit", open_audit },
		{ "spool", open_spool },
		{ "redis", open_redis },
		{ "quota", open_quota },
		{ "budgets", open_budgets },
		{ "locks and rests", open_shared },
		{ "relays", open_pools },
	};
	struct relay *relay = calloc(1, sizeof(*relay));
	if (relay == NULL)
		return STATUS_NO_MEMORY;
	relay->context = context;
	relay->services.role = context;
	relay->services.loop = context->loop;
	relay->services.config = context->config;
	relay->services.stats = context->stats;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		enum status status = steps[i].run(relay);
		if (status == STATUS_OK)
			continue;
		log_error("relay can't start, %s: %s", steps[i].what, status_text(status));
		stop_relay(relay);
		return status;
	}
	*out_state = relay;
	return STATUS_OK;
}

static void attach_peer(void *state, enum role_kind peer, uint32_t instance, int fd)
{
	struct relay *relay = state;
	switch (peer) {
	case ROLE_GATE:
		gate_doors_attach(&relay->gates, instance, fd);
		break;
	case ROLE_AUTH:
		relay_auth_door_attach(&relay->auth, fd);
		break;
	case ROLE_ADMIN:
		relay_admin_door_attach(&relay->control, fd);
		break;
	case ROLE_SUPERVISOR:
	case ROLE_RELAY:
	case ROLE_KINDS:
	default:
		log_error("a door to a role that the relay does not speak to: %u", (unsigned)peer);
		close(fd);
		break;
	}
}

/* ---- drain */

/* Gates gone, every message at its end, every refund confirmed, every upstream told QUIT. */
static bool is_drained(const struct relay *relay)
{
	if (relay->gates.count || deliveries_count(relay->deliveries) || quota_refunds_pending(relay->services.quota))
		return false;
	for (size_t i = 0; i < relay->context->config->relay.count; i++)
		if (upstream_pool_size(relay->services.pools[i]))
			return false;
	return true;
}

static void look_at_drain(void *context)
{
	struct relay *relay = context;
	uint64_t now = loop_now_ms(relay->context->loop);
	if (!relay->is_cut && now >= relay->cut_ms) {
		relay->is_cut = true;
		if (deliveries_count(relay->deliveries))
			log_warning("time to drain is over with %zu messages under way",
				    deliveries_count(relay->deliveries));
		deliveries_cut(relay->deliveries);
	}
	if (relay->is_finished || (!is_drained(relay) && now < relay->end_ms)) {
		timer_set(relay->drain_timer, DRAIN_LOOK_MS);
		return;
	}
	relay->is_finished = true;
	role_finish(relay->context);
}

static void drain_relay(void *state, uint64_t limit_ms, bool succeeded)
{
	(void)succeeded;
	struct relay *relay = state;
	uint64_t now = loop_now_ms(relay->context->loop);
	uint64_t last_words = limit_ms / 4 < DRAIN_LAST_WORDS_MS ? limit_ms / 4 : DRAIN_LAST_WORDS_MS;
	relay->end_ms = now + limit_ms;
	relay->cut_ms = relay->end_ms - last_words;
	for (size_t i = 0; i < relay->context->config->relay.count; i++)
		upstream_pool_drain(relay->services.pools[i]);
	for (size_t i = 0; i < relay->context->config->relay.count; i++)
		if (relay->services.budgets[i])
			budget_drain(relay->services.budgets[i]);
	mailboxes_drain(relay->services.mailboxes);
	if (relay->drain_timer == NULL &&
	    timer_make(relay->context->loop, look_at_drain, relay, &relay->drain_timer) != STATUS_OK) {
		log_error("relay can't drain: out of memory");
		role_finish(relay->context);
		return;
	}
	timer_set(relay->drain_timer, 0);
}

/* ---- stop */

/* What ends messages comes first, what they write to last. */
static void stop_relay(void *state)
{
	struct relay *relay = state;
	timer_free(&relay->drain_timer);
	if (relay->deliveries)
		deliveries_cut(relay->deliveries);
	if (relay->grants)
		gate_doors_close(&relay->gates);
	relay_auth_door_close(&relay->auth);
	relay_admin_door_close(&relay->control);
	relay_admin_door_drop_trials(&relay->control);
	for (size_t i = 0; relay->services.pools && i < relay->context->config->relay.count; i++)
		upstream_pool_free(&relay->services.pools[i]);
	for (size_t i = 0; relay->accounts && i < relay->context->config->relay.count; i++)
		secret_wipe(&relay->accounts[i].ca);
	backoffs_free(&relay->backoffs);
	slots_free(&relay->slots);
	resolver_free(&relay->resolver);
	for (size_t i = 0; relay->services.budgets && i < relay->context->config->relay.count; i++)
		budget_free(&relay->services.budgets[i]);
	free(relay->services.budgets);
	mailboxes_free(&relay->services.mailboxes);
	quota_free(&relay->services.quota);
	redis_free(&relay->redis);
	marker_free(&relay->marker); /* after Redis, which may owe it an answer */
	refused_free(&relay->services.refused);
	rations_end(&relay->services.rations);
	audit_free(&relay->services.audit);
	relay_admin_door_free(&relay->control);
	deliveries_free(&relay->deliveries);
	spool_free(&relay->services.spool);
	grants_free(&relay->grants);
	users_free(&relay->services.users);
	secret_wipe(&relay->redis_password);
	secret_wipe(&relay->audit_key);
	free(relay->services.pools);
	free(relay->accounts);
	free(relay);
}

const struct role relay_role = {
	.kind = ROLE_RELAY,
	.name = "relay",
	.start = start_relay,
	.attached = attach_peer,
	.drain = drain_relay,
	.stop = stop_relay,
};
