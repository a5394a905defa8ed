/*
 * The auth role: who a client is, and what upstreams are logged in with. It holds the secrets that no client-facing
 * process may have. It starts by taking its descriptors and reading the app passwords and the CA files; after that it
 * opens nothing but connections to directories and to token endpoints. If it can't start, it logs why and ends.
 */
#include "auth/auth.h"

#include <stdlib.h>
#include <unistd.h>

#include "auth/control.h"
#include "auth/drain.h"
#include "auth/exchange.h"
#include "base/log.h"

#define KEY_ENTROPY 32         /* bytes of a key made here, where no key was handed over */
#define LOGINS_MAXIMUM 65536   /* successful LDAP logins remembered: about 40 MB */
#define ENTRIES_MAXIMUM 32768  /* directory entries remembered */
#define DISK_QUEUE_MAXIMUM 256 /* changes of app passwords waiting for the disk */

/* ---- start */

static enum status take_key(struct auth *auth)
{
	enum status status = role_take_secret(auth->role, "auth-key", &auth->key);
	if (status == STATUS_NOT_FOUND) /* what is hashed with it never leaves this process: any key will do */
		status = secret_random_hex(KEY_ENTROPY, &auth->key);
	if (status != STATUS_OK)
		log_error("no key for keyed hashes: %s", status_text(status));
	return status;
}

static enum status load_store(struct auth *auth, int fd)
{
	uint64_t cut = 0;
	TRY(store_create(fd, &auth->store));
	enum status status = store_load(auth->store, &cut);
	if (status == STATUS_INVALID)
		log_error("app passwords: line %llu of the file can't be read; mend or remove it",
			  (unsigned long long)store_line(auth->store) + 1);
	if (status == STATUS_OK && cut > 0)
		log_warning("app passwords: cut off an unfinished last line of %llu bytes", (unsigned long long)cut);
	return status;
}

static enum status open_store(struct auth *auth)
{
	const struct jobs_settings settings = {
		.name = "disk", .kind = LIFE_DISK, .threads = 1, .queue_maximum = DISK_QUEUE_MAXIMUM
	};
	int fd = role_take_fd(auth->role, "app-passwords");
	if (fd < 0)
		return STATUS_OK;
	TRY(load_store(auth, fd));
	return jobs_create(auth->role->loop, &settings, &auth->disk);
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
	TRY(directory_create(auth->role->loop, config, &password, auth->role->stats, (unsigned)auth->directory_count,
			     &auth->directories[auth->directory_count]));
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

static enum status open_throttle(struct auth *auth)
{
	const struct config_auth *config = &auth->role->config->auth;
	const struct throttle_limits limits = {
		.per_address = config->failures_per_address,
		.per_user = config->failures_per_user,
		.window_ms = config->failure_window,
	};
	return throttle_create(&limits, &auth->key, &auth->throttle);
}

static enum status build_chain(struct auth *auth)
{
	const struct chain_parts parts = {
		.loop = auth->role->loop,
		.config = auth->role->config,
		.key = &auth->key,
		.store = auth->store,
		.directories = auth->directories,
		.directory_count = auth->directory_count,
		.logins = auth->logins,
		.entries = auth->entries,
		.throttle = auth->throttle,
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
	TRY(map_init(&auth->granting));
	TRY(timer_make(auth->role->loop, finish_role, auth, &auth->drain_timer));
	TRY(cache_create(LOGINS_MAXIMUM, &auth->logins));
	TRY(cache_create(ENTRIES_MAXIMUM, &auth->entries));
	TRY(open_throttle(auth));
	TRY(fill_vault(auth));
	TRY(tokens_create(auth->role, &auth_tokens_handler, auth, &auth->tokens));
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
	bool disk_ended = jobs_free(&auth->disk);
	for (size_t i = 0; i < auth->directory_count; i++)
		directory_free(&auth->directories[i]);
	free(auth->directories);
	if (disk_ended)
		store_close(&auth->store);
	vault_free(&auth->vault);
	tokens_free(&auth->tokens);
	consent_end(&auth->consent);
	throttle_free(&auth->throttle);
	cache_free(&auth->logins);
	cache_free(&auth->entries);
	map_free(&auth->granting);
	timer_free(&auth->drain_timer);
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
		auth_attach_admin(auth, fd);
		break;
	case ROLE_SUPERVISOR:
	case ROLE_AUTH:
	case ROLE_KINDS:
	default:
		log_error("a door to a role that auth does not talk to: %s", role_kind_text(peer));
		close(fd);
		break;
	}
}

static void drain_role(void *state, uint64_t limit_ms, bool succeeded)
{
	(void)succeeded;
	auth_drain(state, limit_ms);
}

const struct role auth_role = {
	.kind = ROLE_AUTH,
	.name = "auth",
	.start = start_role,
	.attached = attach_peer,
	.drain = drain_role,
	.stop = stop_role,
};
