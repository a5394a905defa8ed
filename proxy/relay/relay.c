/*
 * The relay role: the one place that lets mail out. Makes and owns what the
 * others of this room share (Redis, quota, audit, spool, resolver, one pool a
 * relay), serves its doors, and drains (drain.c). Gates, auth and admin come and go; it
 * starts only if the audit and the spool can be written.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/relay_private.h"

#define NEIGHBOURS_SLACK_MS 10000 /* former relays that drain may take this much longer than drain_timeout */
#define ACCOUNT_SIZE 600          /* bytes: a host and a user */

/* ---- what others tell */

static void on_redis_change(void *context, bool up, const char *reason)
{
	struct relay *relay = context;
	stats_set(relay->services.stats, COUNTER_REDIS_UP, 0, up);
	if (up && relay->rebuilding.memory) {
		memory_take_connection(relay->rebuilding.memory);
		quota_reconcile_leases(relay->services.quota);
	}
	if (!up && relay->rebuilding.memory)
		memory_lose_connection(relay->rebuilding.memory);
	if (up)
		log_info("Redis answers");
	else
		log_error("Redis is away: %s", reason);
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

/* One that wasn't handed over stays empty. */
static enum status take_if_given(const struct role_context *context, const char *name, struct secret *out_secret)
{
	enum status status = role_take_secret(context, name, out_secret);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status open_audit(struct relay *relay)
{
	int fd = role_take_fd(relay->context, "audit");
	earlier_audit_take(relay->context, &relay->earlier);
	if (fd < 0)
		return STATUS_NOT_FOUND;
	TRY(exporting_prepare(&relay->exporting, &relay->earlier, fd));
	for (size_t i = relay->earlier.count; i > 0; i--) /* the oldest first */
		rebuilding_add_file(&relay->rebuilding, relay->earlier.fds[i - 1]);
	rebuilding_add_file(&relay->rebuilding, fd);
	TRY(audit_watch_open(&relay->audit_watch, fd, &relay->earlier));
	return rations_begin(&relay->services.rations, relay->context->loop, relay->services.audit);
}

static enum status open_spool(struct relay *relay)
{
	uint64_t all = config_descriptors_to_spend(), upstreams = config_descriptors_of_relays(relay->context->config);
	int folder = role_take_fd(relay->context, "spool");
	if (folder < 0)
		return STATUS_NOT_FOUND;
	TRY(spool_create(relay->context->loop, folder, relay->context->config->limits.spool,
			 all > upstreams ? all - upstreams : 1, &relay->services.spool));
	spool_use_memory(relay->services.spool, SPOOL_IN_MEMORY);
	role_keep_memory(SPOOL_IN_MEMORY); /* or each large message's memory comes anew, a page fault at a time */
	return STATUS_OK;
}

static enum status open_redis(struct relay *relay)
{
	const struct role_context *context = relay->context;
	struct redis_options options;
	struct secret ca = { 0 };
	redis_options_read(&context->config->redis, context->redis_server, &options);
	TRY(take_if_given(context, "redis-password", &relay->redis_password));
	TRY(take_if_given(context, "sentinel-password", &relay->sentinel_password));
	TRY(take_if_given(context, "redis-ca", &ca));
	options.password = &relay->redis_password;
	options.sentinel_password = &relay->sentinel_password;
	options.ca_pem = secret_reveal(&ca);
	options.on_change = on_redis_change;
	options.context = relay;
	enum status status = redis_open(context->loop, &options, &relay->redis);
	secret_wipe(&ca);
	TRY(status);
	return events_create(context->loop, relay->redis, context->config->redis.prefix, &withdrawals_handler,
			     &relay->withdrawals, &relay->withdrawals.events);
}

static enum status open_quota(struct relay *relay)
{
	const struct config *config = relay->context->config;
	TRY(refused_create(relay->redis, config->redis.prefix, &relay->services.refused));
	TRY(quota_create(relay->context->loop, relay->redis, config->redis.prefix, config->quota_day.timezone,
			 &relay->services.quota));
	quota_want_replicas(relay->services.quota, config->redis.replicas);
	if (config->quota_day.window == QUOTA_WINDOW_ROLLING)
		quota_roll_days(relay->services.quota);
	relay->rebuilding.services = &relay->services;
	TRY(rebuilding_open(&relay->rebuilding, relay->redis, relay->withdrawals.events));
	quota_use_memory(relay->services.quota, relay->rebuilding.memory);
	if (config->redis.on_failure == ON_FAILURE_LOCAL)
		TRY(quota_use_leases(relay->services.quota, marker_process(relay->rebuilding.marker)));
	return quota_watch_begin(&relay->services, relay->redis, &relay->quota_nodes);
}

static enum status open_alerts(struct relay *relay)
{
	TRY(audit_watch_begin_chain(&relay->audit_watch, relay->redis));
	return alerts_open(&relay->alerts, relay->redis, relay->withdrawals.events);
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
	TRY(take_if_given(context, name, &account->ca));
	struct upstream_options options = {
		.relay = account->section,
		.relay_index = (unsigned)index,
		.helo = context->node,
		.ca_pem = secret_reveal(&account->ca),
		.tls_clients = relay->tls_clients,
		.resolver = relay->resolver,
		.stats = context->stats,
		.backoffs = relay->backoffs,
		.slots = relay->slots,
		.with_digest = context->config->audit.digest,
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
	TRY(tls_clients_create(&relay->tls_clients));
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
	TRY(alerts_begin(&relay->alerts, services, relay->deliveries));
	relay->gates =
		(struct gate_doors){ .services = services, .grants = relay->grants, .deliveries = relay->deliveries };
	relay->auth = (struct relay_auth_door){
		.services = services, .grants = relay->grants, .deliveries = relay->deliveries, .gates = &relay->gates
	};
	relay->withdrawals =
		(struct withdrawals){ .services = services, .grants = relay->grants, .gates = &relay->gates };
	relay_auth_door_begin_rechecks(&relay->auth, &relay->rechecks);
	relay->auth.withdrawals = &relay->withdrawals;
	services->rechecks = &relay->rechecks;
	relay->audit_watch = (struct audit_watch){ .services = services };
	relay->exporting.services = services;
	relay->control = (struct control){ .services = services,
					   .withdrawals = &relay->withdrawals,
					   .rebuilding = &relay->rebuilding };
	return STATUS_OK;
}

static enum status open_exports(struct relay *relay)
{
	return exporting_begin(&relay->exporting, relay->resolver, relay->redis);
}

static void stop_relay(void *state);

static enum status start_relay(const struct role_context *context, void **out_state)
{
	static const struct {
		const char *what;
		enum status (*run)(struct relay *relay);
	} steps[] = {
		{ "tables", make_tables },   { "audit", open_audit },
		{ "spool", open_spool },     { "redis", open_redis },
		{ "quota", open_quota },     { "alerts", open_alerts },
		{ "budgets", open_budgets }, { "locks and rests", open_shared },
		{ "relays", open_pools },    { "exports", open_exports },
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
	earlier_audit_close(&relay->earlier);
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
	case ROLE_CONSOLE:
	case ROLE_KINDS:
	default:
		log_error("a door to a role that the relay does not speak to: %u", (unsigned)peer);
		close(fd);
		break;
	}
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
	tls_clients_free(&relay->tls_clients);
	for (size_t i = 0; relay->accounts && i < relay->context->config->relay.count; i++)
		secret_wipe(&relay->accounts[i].ca);
	backoffs_free(&relay->backoffs);
	slots_free(&relay->slots);
	for (size_t i = 0; relay->services.budgets && i < relay->context->config->relay.count; i++)
		budget_free(&relay->services.budgets[i]);
	free(relay->services.budgets);
	mailboxes_free(&relay->services.mailboxes);
	quota_free(&relay->services.quota);
	redis_free(&relay->redis);
	exporting_end(&relay->exporting); /* after Redis, which may owe it answers */
	resolver_free(&relay->resolver);
	events_free(&relay->withdrawals.events);
	quota_nodes_free(&relay->quota_nodes);
	rebuilding_close(&relay->rebuilding); /* after Redis, which may owe it an answer */
	refused_free(&relay->services.refused);
	alerts_close(&relay->alerts);
	audit_watch_end_chain(&relay->audit_watch);
	earlier_audit_close(&relay->earlier);
	rations_end(&relay->services.rations);
	audit_watch_close(&relay->audit_watch);
	relay_admin_door_free(&relay->control);
	alerts_end_mail(&relay->alerts);
	deliveries_free(&relay->deliveries);
	spool_free(&relay->services.spool);
	grants_free(&relay->grants);
	users_free(&relay->services.users);
	secret_wipe(&relay->redis_password);
	secret_wipe(&relay->sentinel_password);
	free(relay->services.pools);
	free(relay->accounts);
	free(relay);
}

/* The audit goes on in another file: "audit:FORMER", with the name of the one before, or nothing if it was deleted. */
static enum status take_file(void *state, struct span name, int fd)
{
	struct relay *relay = state;
	if (!span_starts_with(name, SPAN("audit:"))) {
		close(fd);
		return STATUS_INVALID;
	}
	exporting_add_file(&relay->exporting, fd);
	rebuilding_add_file(&relay->rebuilding, fd);
	audit_use_file(relay->services.audit, fd, span_slice(name, sizeof("audit:") - 1, name.size));
	return STATUS_OK;
}

/* A message that comes before would be refused, though Redis answers. */
static bool can_serve(void *state)
{
	struct relay *relay = state;
	struct span why;
	return redis_is_up(relay->redis) ? memory_may_charge(relay->rebuilding.memory, &why)
					 : redis_is_away(relay->redis);
}

const struct role relay_role = {
	.kind = ROLE_RELAY,
	.name = "relay",
	.start = start_relay,
	.can_serve = can_serve,
	.attached = attach_peer,
	.drain = relay_drain,
	.take_file = take_file,
	.stop = stop_relay,
};
