/*
 * The auth role: who a client is, and what upstreams are logged in with. It holds the secrets that no client-facing
 * process may have. It starts by taking its descriptors and reading the app passwords and the CA files; after that it
 * opens nothing but connections to directories and to token endpoints. If it can't start, it logs why and ends.
 */
#include "auth/auth.h"

#include <stdlib.h>
#include <unistd.h>

#include "auth/control/app_password.h"
#include "auth/control/control.h"
#include "auth/control/search.h"
#include "auth/drain.h"
#include "auth/endings.h"
#include "auth/exchange.h"
#include "auth/key_mark.h"
#include "auth/recheck.h"
#include "base/log.h"

#define KEY_ENTROPY 32        /* bytes of a key made here, where no key was handed over */
#define LOGINS_MAXIMUM 65536  /* successful LDAP logins remembered: about 40 MB */
#define ENTRIES_MAXIMUM 32768 /* directory entries remembered */
#define LEASE_LEAST_MS 2000   /* of a try: what its way takes beside its directories */
#define TOKENS_MAXIMUM 16384  /* tokens whose issuer was asked */

/* ---- start */

static enum status take_key(struct auth *auth)
{
	enum status status = role_take_secret(auth->role, "auth-key", &auth->key);
	bool is_shared = auth->role->config->app_password.store == STORE_REDIS;
	if (status == STATUS_NOT_FOUND && !is_shared) /* nothing that it seals has to outlive this process */
		status = secret_random_hex(KEY_ENTROPY, &auth->key);
	if (status != STATUS_OK)
		log_error("no key for keyed hashes: %s", status_text(status));
	return status;
}

static void on_redis_change(void *context, bool up, const char *reason)
{
	struct auth *auth = context;
	if (up) { /* the relay role has the gauge */
		log_info("Redis answers");
		key_mark_compare(auth->redis, auth->role->config->redis.prefix, &auth->key);
	} else {
		log_warning("Redis is away: %s; logins go on with what is known here", reason);
	}
}

/* One that wasn't handed over stays empty. */
static enum status take_if_given(const struct role_context *role, const char *name, struct secret *out_secret)
{
	enum status status = role_take_secret(role, name, out_secret);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status connect_redis(struct auth *auth)
{
	const struct role_context *role = auth->role;
	struct redis_options options;
	struct secret ca = { 0 };
	redis_options_read(&role->config->redis, role->redis_server, &options);
	TRY(take_if_given(role, "redis-password", &auth->redis_password));
	TRY(take_if_given(role, "sentinel-password", &auth->sentinel_password));
	TRY(take_if_given(role, "redis-ca", &ca));
	options.password = &auth->redis_password;
	options.sentinel_password = &auth->sentinel_password;
	options.ca_pem = secret_reveal(&ca);
	options.on_change = on_redis_change;
	options.context = auth;
	enum status status = redis_open(role->loop, &options, &auth->redis);
	secret_wipe(&ca);
	return status;
}

static enum status open_redis(struct auth *auth)
{
	const struct role_context *role = auth->role;
	TRY(connect_redis(auth));
	TRY(locks_create(role->loop, auth->redis, role->config->redis.prefix, &auth->locks));
	locks_by_hand(auth->locks)->replicas = role->config->redis.replicas;
	return events_create(role->loop, auth->redis, role->config->redis.prefix, &endings_handler, auth,
			     &auth->events);
}

/* Sessions of a revoked one end with it. */
static void on_revoked(void *context, const struct app_password *password)
{
	struct auth *auth = context;
	uses_forget(auth->uses, password->id);
	endings_tell(auth, EVENT_REVOKE, (struct span){ 0 }, span_of(password->id));
	log_info("app passwords: %s was revoked", password->id);
}

static const struct store_handler store_handler = { .on_revoked = on_revoked };

static enum status open_store(struct auth *auth)
{
	const struct store_settings settings = {
		.loop = auth->role->loop,
		.fd = role_take_fd(auth->role, "app-passwords"),
		.redis = auth->redis,
		.prefix = auth->role->config->redis.prefix,
		.key = &auth->key,
		.handler = &store_handler,
		.context = auth,
	};
	bool is_shared = auth->role->config->app_password.store == STORE_REDIS;
	return settings.fd < 0 && !is_shared ? STATUS_OK : store_create(&settings, &auth->store);
}

/* -1: none. */
static int take_file_of(struct auth *auth, const char *kind, const char *title)
{
	char name[256];
	snprintf(name, sizeof(name), "%s:%s", kind, title);
	return role_take_fd(auth->role, name);
}

static enum status create_directory(struct auth *auth, const struct config_ldap *config, const struct secret *password)
{
	const struct directory_proof proof = {
		.bind_password = password,
		.client = { .certificate = take_file_of(auth, "ldap-certificate", config->name),
			    .key = take_file_of(auth, "ldap-key", config->name) },
	};
	enum status status =
		directory_create(auth->role->loop, config, &proof, auth->role->stats, (unsigned)auth->directory_count,
				 &auth->directories[auth->directory_count]);
	if (proof.client.certificate >= 0)
		close(proof.client.certificate);
	if (proof.client.key >= 0)
		close(proof.client.key);
	return status;
}

static enum status open_directory(struct auth *auth, const struct config_ldap *config)
{
	char name[256];
	struct secret password SECRET_AUTO = { 0 };
	snprintf(name, sizeof(name), "ldap-password:%s", config->name);
	enum status status = role_take_secret(auth->role, name, &password);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	if (config->bind_dn[0] && secret_is_empty(&password)) {
		log_error("ldap %s: bind_dn needs a password", config->name);
		return STATUS_NOT_FOUND;
	}
	TRY(create_directory(auth, config, &password));
	auth->directory_count++;
	return STATUS_OK;
}

static enum status open_directories(struct auth *auth)
{
	const struct config *config = auth->role->config;
	auth->directories = calloc(config->ldap.count + 1, sizeof(struct directory *));
	if (auth->directories == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < config->ldap.count; i++)
		TRY(open_directory(auth, &config->ldap.items[i]));
	return STATUS_OK;
}

static enum status fill_vault(struct auth *auth)
{
	const struct config *config = auth->role->config;
	TRY(vault_create(config, &auth->vault));
	for (size_t i = 0; i < config->relay.count; i++) {
		char name[256];
		struct secret password = { 0 };
		snprintf(name, sizeof(name), "relay-password:%s", config->relay.items[i].name);
		enum status status = role_take_secret(auth->role, name, &password);
		if (status == STATUS_NOT_FOUND)
			continue; /* the vault says that it is missing when asked for it */
		if (status != STATUS_OK)
			return status;
		vault_put(auth->vault, i, &password);
	}
	return STATUS_OK;
}

/* By when a try has ended, whichever directories know the user. */
static uint64_t find_lease_ms(const struct config *config)
{
	uint64_t lease_ms = LEASE_LEAST_MS;
	for (size_t i = 0; i < config->ldap.count; i++)
		lease_ms += LDAP_WAITS * config->ldap.items[i].timeout;
	return lease_ms;
}

static enum status open_guesses(struct auth *auth)
{
	const struct config *config = auth->role->config;
	const struct guesses_settings settings = {
		.loop = auth->role->loop,
		.key = &auth->key,
		.redis = auth->redis,
		.prefix = config->redis.prefix,
		.limits = {
			.per_address = config->auth.failures_per_address,
			.per_user = config->auth.failures_per_user,
			.window_ms = config->auth.failure_window,
			.lease_ms = find_lease_ms(config),
		},
	};
	return guesses_create(&settings, &auth->guesses);
}

static enum status build_chain(struct auth *auth)
{
	const struct chain_parts parts = {
		.loop = auth->role->loop,
		.config = auth->role->config,
		.key = &auth->key,
		.store = auth->store,
		.uses = auth->uses,
		.directories = auth->directories,
		.directory_count = auth->directory_count,
		.logins = auth->logins,
		.entries = auth->entries,
		.guesses = auth->guesses,
		.last_words = auth->last_words,
		.bearers = auth->bearers,
		.tokens = auth->tokens_known,
		.sign_in = auth->sign_in,
	};
	enum status status = chain_init(&auth->chain, &parts);
	if (status == STATUS_INVALID)
		log_error("auth.backends names a back end twice, or one that there is not");
	return status;
}

static void finish_role(void *context)
{
	struct auth *auth = context;
	role_finish(auth->role);
}

static enum status set_up(struct auth *auth)
{
	TRY(take_key(auth));
	TRY(open_redis(auth));
	TRY(map_init(&auth->granting));
	TRY(timer_make(auth->role->loop, finish_role, auth, &auth->drain_timer));
	TRY(cache_create(LOGINS_MAXIMUM, &auth->logins));
	TRY(cache_create(ENTRIES_MAXIMUM, &auth->entries));
	TRY(open_guesses(auth));
	TRY(fill_vault(auth));
	TRY(bearers_create(auth->role, &auth->bearers));
	TRY(sign_in_create(auth->role, &auth->sign_in));
	TRY(cache_create(TOKENS_MAXIMUM, &auth->tokens_known));
	TRY(holders_create(auth->role, &auth->holders));
	TRY(tokens_create(auth->role, &auth_tokens_handler, auth, &auth->tokens));
	TRY(last_words_create(auth->redis, auth->role->config->redis.prefix, &auth->key,
			      auth->role->config->app_password.directory_grace, &auth->last_words));
	TRY(uses_create(auth->role->loop, auth->redis, auth->role->config->redis.prefix, &auth->uses));
	TRY(open_store(auth));
	TRY(open_directories(auth));
	return build_chain(auth);
}

static void stop_role(void *state)
{
	struct auth *auth = state;
	auth_detach_gates(auth);
	auth_detach_relay(auth);
	auth_detach_admin(auth);
	chain_stop(&auth->chain);
	store_close(&auth->store);
	app_password_drop_makings(auth);
	app_password_drop_searches(auth);
	auth_control_drop_user_commands(auth);
	auth_control_drop_test(auth);
	recheck_drop_all(auth);
	for (size_t i = 0; i < auth->directory_count; i++)
		directory_free(&auth->directories[i]);
	free(auth->directories);
	vault_free(&auth->vault);
	bearers_free(&auth->bearers);
	sign_in_free(&auth->sign_in);
	cache_free(&auth->tokens_known);
	holders_free(&auth->holders);
	tokens_free(&auth->tokens);
	consent_end(&auth->consent);
	guesses_free(&auth->guesses);
	cache_free(&auth->logins);
	cache_free(&auth->entries);
	map_free(&auth->granting);
	timer_free(&auth->drain_timer);
	uses_free(&auth->uses);
	redis_free(&auth->redis);
	events_free(&auth->events);
	locks_free(&auth->locks);
	last_words_free(&auth->last_words);
	secret_wipe(&auth->redis_password);
	secret_wipe(&auth->sentinel_password);
	secret_wipe(&auth->key);
	free(auth);
}

static enum status start_role(const struct role_context *context, void **out_state)
{
	struct auth *auth = calloc(1, sizeof(*auth));
	if (auth == NULL)
		return STATUS_NO_MEMORY;
	auth->role = context;
	auth->gate_handler = &exchange_gate_handler;
	auth->relay_handler = &exchange_relay_handler;
	enum status status = set_up(auth);
	if (status != STATUS_OK) {
		log_error("auth can't start: %s", status_text(status));
		stop_role(auth);
		return status;
	}
	*out_state = auth;
	return STATUS_OK;
}

/* ---- life */

static void attach_peer(void *state, enum role_kind peer, uint32_t instance, int fd)
{
	struct auth *auth = state;
	switch (peer) {
	case ROLE_GATE:
		auth_attach_gate(auth, instance, fd);
		break;
	case ROLE_RELAY:
		auth_attach_relay(auth, instance, fd);
		break;
	case ROLE_ADMIN:
		auth_attach_admin(auth, instance, fd);
		break;
	case ROLE_SUPERVISOR:
	case ROLE_AUTH:
	case ROLE_CONSOLE:
	case ROLE_KINDS:
	default:
		log_error("a door to a role that auth does not talk to: %s", role_kind_text(peer));
		close(fd);
		break;
	}
}

static enum status take_file(void *state, struct span name, int fd)
{
	struct auth *auth = state;
	if (auth->store && span_equal(name, SPAN("app-passwords"))) {
		store_take_file(auth->store, fd);
		return STATUS_OK;
	}
	close(fd);
	return STATUS_INVALID;
}

static void drain_role(void *state, uint64_t limit_ms, enum role_drain how)
{
	(void)how;
	auth_drain(state, limit_ms);
}

const struct role auth_role = {
	.kind = ROLE_AUTH,
	.name = "auth",
	.start = start_role,
	.attached = attach_peer,
	.drain = drain_role,
	.take_file = take_file,
	.stop = stop_role,
};
