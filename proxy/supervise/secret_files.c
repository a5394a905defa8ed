/* Walks the config's sections. The list is built whole; once memory ran out, nothing more is added. */
#include "supervise/secret_files.h"

#include <stdlib.h>
#include <string.h>

#include "role/handover.h"

struct listing {
	struct secret_files files;
	bool renewing; /* only what renews */
	enum status status;
};

bool secret_content_renews(enum secret_content content)
{
	return content >= SECRET_CONTENT_SERVER;
}

bool secret_content_is_ours(enum secret_content content)
{
	return content == SECRET_CONTENT_SERVER || content == SECRET_CONTENT_NAMED || content == SECRET_CONTENT_CLIENT;
}

bool secret_content_is_private(enum secret_content content)
{
	return content == SECRET_CONTENT_LINE || content == SECRET_CONTENT_ACCOUNT || content == SECRET_CONTENT_KEY;
}

static char *join_texts(const char *before, const char *between, const char *after)
{
	char *text = NULL;
	return asprintf(&text, "%s%s%s", before, *after ? between : "", after) < 0 ? NULL : text;
}

/* "relay gmail.ca_file", "tls.certificate". */
static char *write_label(const char *section, const char *title, const char *option)
{
	char *text = NULL;
	return asprintf(&text, "%s%s%s.%s", section, *title ? " " : "", title, option) < 0 ? NULL : text;
}

static void free_file(struct secret_file *file)
{
	free(file->name);
	free(file->label);
	free(file->path);
}

/* Takes over the texts of `file`. */
static void append_file(struct listing *listing, struct secret_file file)
{
	struct secret_files *files = &listing->files;
	struct secret_file *items = NULL;
	if (file.name && file.label && file.path)
		items = realloc(files->items, (files->count + 1) * sizeof(*items));
	if (items == NULL) {
		free_file(&file);
		listing->status = STATUS_NO_MEMORY;
		return;
	}
	files->items = items;
	items[files->count++] = file;
}

/* Where an option stands: the section's kind, and its struct's first fields. */
struct spot {
	const char *section, *title;
	unsigned line;
};

#define SPOT(kind, at) ((struct spot){ kind, (at)->name, (at)->line })

/* `kind` and the section's title make the descriptor's name. */
static void add_file(struct listing *listing, struct spot spot, const char *option, const char *path, const char *kind,
		     enum secret_content content, unsigned roles)
{
	if (listing->status != STATUS_OK || path[0] == '\0' || (listing->renewing && !secret_content_renews(content)))
		return;
	append_file(listing, (struct secret_file){ .name = join_texts(kind, ":", spot.title),
						   .label = write_label(spot.section, spot.title, option),
						   .path = strdup(path),
						   .line = spot.line,
						   .content = content,
						   .roles = roles });
}

#define ADD(spot, option, path, kind, content, roles) \
	add_file(listing, spot, option, path, kind, SECRET_CONTENT_##content, roles)

static void list_relays(struct listing *listing, const struct config *config)
{
	for (size_t i = 0; i < config->relay.count; i++) {
		const struct config_relay *relay = &config->relay.items[i];
		const struct spot spot = SPOT("relay", relay);
		ADD(spot, "password_file", relay->password_file, "relay-password", LINE, TO(ROLE_AUTH));
		ADD(spot, "ca_file", relay->ca_file, "relay-ca", AUTHORITIES, TO(ROLE_RELAY));
	}
}

static void list_oauth(struct listing *listing, const struct config *config)
{
	for (size_t i = 0; i < config->oauth.count; i++) {
		const struct config_oauth *oauth = &config->oauth.items[i];
		const struct spot spot = SPOT("oauth", oauth);
		ADD(spot, "client_secret_file", oauth->client_secret_file, "oauth-secret", LINE, TO(ROLE_AUTH));
		ADD(spot, "refresh_token_file", oauth->refresh_token_file, "oauth-refresh", LINE, TO(ROLE_AUTH));
		ADD(spot, "service_account_file", oauth->service_account_file, "oauth-account", ACCOUNT, TO(ROLE_AUTH));
		ADD(spot, "ca_file", oauth->ca_file, "oauth-ca", AUTHORITIES, TO(ROLE_AUTH));
	}
}

static void list_bearers(struct listing *listing, const struct config *config)
{
	for (size_t i = 0; i < config->bearer.count; i++) {
		const struct config_bearer *bearer = &config->bearer.items[i];
		const struct spot spot = SPOT("bearer", bearer);
		ADD(spot, "client_secret_file", bearer->client_secret_file, "bearer-secret", LINE, TO(ROLE_AUTH));
		ADD(spot, "ca_file", bearer->ca_file, "bearer-ca", AUTHORITIES, TO(ROLE_AUTH));
	}
}

static void list_oidc(struct listing *listing, const struct config *config)
{
	const struct spot spot = SPOT("oidc", &config->oidc);
	ADD(spot, "client_secret_file", config->oidc.client_secret_file, "oidc-secret", LINE, TO(ROLE_AUTH));
	ADD(spot, "ca_file", config->oidc.ca_file, "oidc-ca", AUTHORITIES, TO(ROLE_AUTH));
}

/* libldap reads its authorities by their path. */
static void list_directories(struct listing *listing, const struct config *config)
{
	for (size_t i = 0; i < config->ldap.count; i++) {
		const struct config_ldap *ldap = &config->ldap.items[i];
		const struct spot spot = SPOT("ldap", ldap);
		ADD(spot, "bind_password_file", ldap->bind_password_file, "ldap-password", LINE, TO(ROLE_AUTH));
		ADD(spot, "certificate_file", ldap->certificate_file, "ldap-certificate", CLIENT, TO(ROLE_AUTH));
		ADD(spot, "private_key_file", ldap->private_key_file, "ldap-key", KEY, TO(ROLE_AUTH));
		ADD(spot, "ca_file", ldap->ca_file, "ldap-ca", AUTHORITIES, 0);
	}
}

/* Whoever judges what clients prove with certificates needs to know ours: nobody, or auth. */
static unsigned roles_of_judges(const struct config *config)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		if (config->listener.items[i].certificate_user != CERTIFICATE_USER_NONE)
			return TO(ROLE_AUTH);
	}
	return 0;
}

/* Of tls: the gates, and the console where it has TLS. */
static unsigned roles_of_tls(const struct config *config)
{
	bool has_console = config->console.address.count && config->console.tls;
	return TO(ROLE_GATE) | (has_console ? TO(ROLE_CONSOLE) : 0);
}

static void list_servers(struct listing *listing, const struct config *config)
{
	const unsigned judges = roles_of_judges(config);
	const struct spot own = SPOT("tls", &config->tls);
	ADD(own, "certificate", config->tls.certificate, "tls-certificate", SERVER, roles_of_tls(config) | judges);
	ADD(own, "private_key", config->tls.private_key, "tls-key", KEY, roles_of_tls(config));
	for (size_t i = 0; i < config->certificate.count; i++) {
		const struct config_certificate *section = &config->certificate.items[i];
		const struct spot spot = SPOT("certificate", section);
		ADD(spot, "certificate", section->certificate, "tls-certificate", NAMED, TO(ROLE_GATE) | judges);
		ADD(spot, "private_key", section->private_key, "tls-key", KEY, TO(ROLE_GATE));
	}
}

static void list_client_authorities(struct listing *listing, const struct config *config)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		const unsigned judges = listener->certificate_user == CERTIFICATE_USER_NONE ? 0 : TO(ROLE_AUTH);
		const struct spot spot = SPOT("listener", listener);
		ADD(spot, "client_ca_file", listener->client_ca_file, "client-ca", AUTHORITIES, TO(ROLE_GATE) | judges);
		ADD(spot, "client_crl_file", listener->client_crl_file, "client-crl", REVOKED, TO(ROLE_GATE) | judges);
		ADD(spot, "certificate_map_file", listener->certificate_map_file, "certificate-map", TEXT,
		    TO(ROLE_AUTH));
	}
}

/* The embedded Redis has a password of its own, which is not configured. */
static void list_redis(struct listing *listing, const struct config *config)
{
	const struct config_redis *redis = &config->redis;
	const unsigned roles = TO(ROLE_AUTH) | TO(ROLE_RELAY);
	const struct spot spot = SPOT("redis", redis);
	if (config_redis_is_embedded(config))
		return;
	ADD(spot, "password_file", redis->password_file, "redis-password", LINE, roles);
	ADD(spot, "sentinel_password_file", redis->sentinel_password_file, "sentinel-password", LINE, roles);
	ADD(spot, "ca_file", redis->ca_file, "redis-ca", AUTHORITIES, roles);
}

static void list_receivers(struct listing *listing, const struct config *config)
{
	const struct spot audit = SPOT("audit", &config->audit), notify = SPOT("notify", &config->notify);
	ADD(audit, "syslog_ca_file", config->audit.syslog_ca_file, "syslog-ca", AUTHORITIES, TO(ROLE_RELAY));
	ADD(notify, "secret_file", config->notify.secret_file, "webhook-secret", LINE, TO(ROLE_RELAY));
	ADD(notify, "ca_file", config->notify.ca_file, "webhook-ca", AUTHORITIES, TO(ROLE_RELAY));
}

enum status secret_files_list(const struct config *config, bool renewing, struct secret_files *out_files)
{
	struct listing listing = { .renewing = renewing };
	listing.files.config_file = strdup(config->file);
	listing.files.tls13_only = config->tls.min_version == TLS_VERSION_13;
	if (listing.files.config_file == NULL)
		listing.status = STATUS_NO_MEMORY;
	list_receivers(&listing, config);
	list_servers(&listing, config);
	list_client_authorities(&listing, config);
	list_redis(&listing, config);
	list_directories(&listing, config);
	list_relays(&listing, config);
	list_oauth(&listing, config);
	list_bearers(&listing, config);
	list_oidc(&listing, config);
	if (listing.status == STATUS_OK)
		*out_files = listing.files;
	else
		secret_files_free(&listing.files);
	return listing.status;
}

void secret_files_free(struct secret_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free_file(&files->items[i]);
	free(files->items);
	free(files->config_file);
	*files = (struct secret_files){ 0 };
}
