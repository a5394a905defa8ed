/*
 * Secrets: from files to sealed descriptors, wiped in between. Owns nothing for longer than a call. Which role gets
 * which secret of the config is decided here alone.
 */
#include "supervise/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "supervise/memory_file.h"

enum content {
	CONTENT_PUBLIC, /* a certificate: anybody may read the file */
	CONTENT_KEY,    /* as it is */
	CONTENT_LINE,   /* a password, without the line end that editors leave */
};

/* A file that the config names: where it does, what the file holds, and which roles get it. */
struct wish {
	const char *section;
	unsigned line;
	const char *option;
	const char *path; /* "": none */
	enum content content;
	unsigned roles;
};

static enum status report_wish(const struct config *config, const struct wish *wish, FILE *faults, const char *what)
{
	fprintf(faults, "%s:%u: %s.%s: %s: %s\n", config->file, wish->line, wish->section, wish->option, wish->path,
		what);
	return STATUS_INVALID;
}

static enum status read_secret(int fd, enum content content, struct secret *out_secret)
{
	return content == CONTENT_LINE ? secret_from_line_fd(fd, out_secret) : secret_from_fd(fd, out_secret);
}

static enum status seal_wish(const struct config *config, const struct wish *wish, int file, FILE *faults, int *out_fd)
{
	struct secret secret SECRET_AUTO = { 0 };
	struct stat info;
	if (fstat(file, &info) < 0 || !S_ISREG(info.st_mode))
		return report_wish(config, wish, faults, "not a file");
	if (wish->content != CONTENT_PUBLIC && (info.st_mode & (S_IRWXG | S_IRWXO)))
		return report_wish(config, wish, faults, "others can read this file; expected mode 0600");
	if (read_secret(file, wish->content, &secret) != STATUS_OK)
		return report_wish(config, wish, faults, "can't read it, or it is too large");
	if (secret_is_empty(&secret))
		return report_wish(config, wish, faults, "this file is empty");
	if (memory_file_seal("secret", secret_reveal(&secret), out_fd) != STATUS_OK)
		return report_wish(config, wish, faults, strerror(errno));
	return STATUS_OK;
}

/* Seals what a wish is for, and adds it to the list under that name. */
static enum status fetch_wish(const struct config *config, const struct wish *wish, const char *name, FILE *faults,
			      struct handover *list)
{
	int sealed = -1;
	if (wish->path[0] == '\0')
		return STATUS_OK;
	int file = open(wish->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return report_wish(config, wish, faults, strerror(errno));
	enum status status = seal_wish(config, wish, file, faults, &sealed);
	close(file);
	TRY(status);
	if (handover_give(list, wish->roles, sealed, "%s", name) != STATUS_OK)
		return report_wish(config, wish, faults, "can't be handed over");
	return STATUS_OK;
}

/* As fetch, for a titled section: "KIND:TITLE". */
static enum status fetch_titled_wish(const struct config *config, const struct wish *wish, const char *kind,
				     const char *title, FILE *faults, struct handover *list)
{
	char *name = NULL;
	if (asprintf(&name, "%s:%s", kind, title) < 0)
		return STATUS_NO_MEMORY;
	enum status status = fetch_wish(config, wish, name, faults, list);
	free(name);
	return status;
}

static void keep_worst(enum status status, enum status *worst)
{
	if (*worst == STATUS_OK)
		*worst = status;
}

static enum status open_relay_secrets(const struct config *config, FILE *faults, struct handover *list)
{
	enum status worst = STATUS_OK;
	for (size_t i = 0; i < config->relay.count; i++) {
		const struct config_relay *relay = &config->relay.items[i];
		const struct wish password = { "relay",      relay->line,  "password_file", relay->password_file,
					       CONTENT_LINE, TO(ROLE_AUTH) };
		const struct wish ca = {
			"relay", relay->line, "ca_file", relay->ca_file, CONTENT_PUBLIC, TO(ROLE_RELAY)
		};
		keep_worst(fetch_titled_wish(config, &password, "relay-password", relay->name, faults, list), &worst);
		keep_worst(fetch_titled_wish(config, &ca, "relay-ca", relay->name, faults, list), &worst);
	}
	return worst;
}

static enum status open_oauth_secrets(const struct config *config, FILE *faults, struct handover *list)
{
	enum status worst = STATUS_OK;
	for (size_t i = 0; i < config->oauth.count; i++) {
		const struct config_oauth *oauth = &config->oauth.items[i];
		const unsigned line = oauth->line;
		const struct wish secret = {
			"oauth", line, "client_secret_file", oauth->client_secret_file, CONTENT_LINE, TO(ROLE_AUTH)
		};
		const struct wish refresh = {
			"oauth", line, "refresh_token_file", oauth->refresh_token_file, CONTENT_LINE, TO(ROLE_AUTH)
		};
		const struct wish account = {
			"oauth", line, "service_account_file", oauth->service_account_file, CONTENT_KEY, TO(ROLE_AUTH)
		};
		const struct wish ca = { "oauth", line, "ca_file", oauth->ca_file, CONTENT_PUBLIC, TO(ROLE_AUTH) };
		keep_worst(fetch_titled_wish(config, &secret, "oauth-secret", oauth->name, faults, list), &worst);
		keep_worst(fetch_titled_wish(config, &refresh, "oauth-refresh", oauth->name, faults, list), &worst);
		keep_worst(fetch_titled_wish(config, &account, "oauth-account", oauth->name, faults, list), &worst);
		keep_worst(fetch_titled_wish(config, &ca, "oauth-ca", oauth->name, faults, list), &worst);
	}
	return worst;
}

static enum status open_ldap_secrets(const struct config *config, FILE *faults, struct handover *list)
{
	enum status worst = STATUS_OK;
	for (size_t i = 0; i < config->ldap.count; i++) {
		const struct config_ldap *ldap = &config->ldap.items[i];
		const struct wish password = {
			"ldap", ldap->line, "bind_password_file", ldap->bind_password_file, CONTENT_LINE, TO(ROLE_AUTH)
		};
		keep_worst(fetch_titled_wish(config, &password, "ldap-password", ldap->name, faults, list), &worst);
	}
	return worst;
}

static enum status open_certificates(const struct config *config, FILE *faults, struct handover *list)
{
	enum status worst = STATUS_OK;
	for (size_t i = 0; i < config->certificate.count; i++) {
		const struct config_certificate *section = &config->certificate.items[i];
		const struct wish certificate = { "certificate",        section->line,  "certificate",
						  section->certificate, CONTENT_PUBLIC, TO(ROLE_GATE) };
		const struct wish key = { "certificate",        section->line, "private_key",
					  section->private_key, CONTENT_KEY,   TO(ROLE_GATE) };
		keep_worst(fetch_titled_wish(config, &certificate, "tls-certificate", section->name, faults, list),
			   &worst);
		keep_worst(fetch_titled_wish(config, &key, "tls-key", section->name, faults, list), &worst);
	}
	return worst;
}

static enum status open_client_authorities(const struct config *config, FILE *faults, struct handover *list)
{
	enum status worst = STATUS_OK;
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *section = &config->listener.items[i];
		const struct wish ca = { "listener",     section->line, "client_ca_file", section->client_ca_file,
					 CONTENT_PUBLIC, TO(ROLE_GATE) };
		keep_worst(fetch_titled_wish(config, &ca, "client-ca", section->name, faults, list), &worst);
	}
	return worst;
}

enum status secrets_open(const struct config *config, FILE *faults, struct handover *list)
{
	const struct config_tls *tls = &config->tls;
	const struct config_redis *redis = &config->redis;
	const struct wish certificate = { "tls",          tls->line,    "certificate", tls->certificate,
					  CONTENT_PUBLIC, TO(ROLE_GATE) };
	const struct wish key = { "tls", tls->line, "private_key", tls->private_key, CONTENT_KEY, TO(ROLE_GATE) };
	const struct wish password = { "redis",         redis->line,
				       "password_file", redis->password_file,
				       CONTENT_LINE,    TO(ROLE_AUTH) | TO(ROLE_RELAY) };
	enum status worst = STATUS_OK;
	keep_worst(fetch_wish(config, &certificate, "tls-certificate", faults, list), &worst);
	keep_worst(fetch_wish(config, &key, "tls-key", faults, list), &worst);
	keep_worst(open_certificates(config, faults, list), &worst);
	keep_worst(open_client_authorities(config, faults, list), &worst);
	/* The embedded Redis has a password of its own, which is not configured. */
	if (strcmp(redis->server, "embedded") != 0)
		keep_worst(fetch_wish(config, &password, "redis-password", faults, list), &worst);
	keep_worst(open_ldap_secrets(config, faults, list), &worst);
	keep_worst(open_relay_secrets(config, faults, list), &worst);
	keep_worst(open_oauth_secrets(config, faults, list), &worst);
	return worst;
}
