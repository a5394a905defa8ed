/* Holders of certificates, and how listeners name them. */
#include "auth/certificate/holders.h"

#include <stdlib.h>
#include <string.h>

#include "auth/certificate/map.h"
#include "base/log.h"

#define SECRET_NAME_SIZE 256 /* bytes of the name of a secret, the NUL included */

struct listener_holders {
	const struct config_listener *config;
	struct tls_witness *witness; /* NULL: nobody logs in there with a certificate */
	struct secret map;
};

struct holders {
	struct listener_holders *items;
	size_t count;
};

void holders_free(struct holders **holders)
{
	if (*holders == NULL)
		return;
	for (size_t i = 0; i < (*holders)->count; i++) {
		tls_witness_free(&(*holders)->items[i].witness);
		secret_wipe(&(*holders)->items[i].map);
	}
	free((*holders)->items);
	free(*holders);
	*holders = NULL;
}

/* ---- creating */

static enum status take_file(const struct role_context *role, const char *kind, const char *title, bool is_wanted,
			     struct secret *out_text)
{
	char name[SECRET_NAME_SIZE];
	if (!is_wanted)
		return STATUS_OK;
	snprintf(name, sizeof(name), "%s:%s", kind, title);
	enum status status = role_take_secret(role, name, out_text);
	if (status != STATUS_OK)
		log_error("no %s was handed over: %s", name, status_text(status));
	return status;
}

static enum status check_map(const struct listener_holders *item)
{
	size_t line = certificate_map_find_fault(secret_reveal(&item->map));
	if (line == 0)
		return STATUS_OK;
	log_error("%s: line %zu can't be read; expected a user, a blank, and a subject or sha256:FINGERPRINT",
		  item->config->certificate_map_file, line);
	return STATUS_INVALID;
}

static enum status fill_item(const struct role_context *role, struct listener_holders *item)
{
	const struct config_listener *config = item->config;
	struct secret ca SECRET_AUTO = { 0 };
	struct secret crl SECRET_AUTO = { 0 };
	char *error = NULL;
	TRY(take_file(role, "client-ca", config->name, true, &ca));
	TRY(take_file(role, "client-crl", config->name, config->client_crl_file[0] != '\0', &crl));
	TRY(take_file(role, "certificate-map", config->name, config->certificate_user == CERTIFICATE_USER_MAP,
		      &item->map));
	TRY(check_map(item));
	enum status status = tls_witness_create(secret_reveal(&ca), secret_reveal(&crl), &item->witness, &error);
	if (status != STATUS_OK)
		log_error("listener %s: %s", config->name, error ? error : status_text(status));
	free(error);
	return status;
}

/* A certificate of ours, for each listener, as each shows all of them. `title` NULL: the one of tls. */
static enum status add_server(const struct role_context *role, struct holders *holders, const char *title)
{
	char name[SECRET_NAME_SIZE];
	struct secret certificate SECRET_AUTO = { 0 };
	snprintf(name, sizeof(name), "tls-certificate%s%s", title ? ":" : "", title ? title : "");
	TRY(role_take_secret(role, name, &certificate));
	for (size_t i = 0; i < holders->count; i++)
		if (holders->items[i].witness)
			TRY(tls_witness_add_server(holders->items[i].witness, secret_reveal(&certificate)));
	return STATUS_OK;
}

static enum status fill_holders(const struct role_context *role, struct holders *holders)
{
	const struct config *config = role->config;
	bool is_used = false;
	for (size_t i = 0; i < holders->count; i++) {
		holders->items[i].config = &config->listener.items[i];
		if (config->listener.items[i].certificate_user == CERTIFICATE_USER_NONE)
			continue;
		is_used = true;
		TRY(fill_item(role, &holders->items[i]));
	}
	if (!is_used)
		return STATUS_OK;
	TRY(add_server(role, holders, NULL));
	for (size_t i = 0; i < config->certificate.count; i++)
		TRY(add_server(role, holders, config->certificate.items[i].name));
	return STATUS_OK;
}

enum status holders_create(const struct role_context *role, struct holders **out_holders)
{
	size_t count = role->config->listener.count;
	struct holders *holders = calloc(1, sizeof(*holders));
	if (holders == NULL)
		return STATUS_NO_MEMORY;
	holders->items = calloc(count + 1, sizeof(*holders->items));
	holders->count = holders->items ? count : 0;
	enum status status = holders->items ? fill_holders(role, holders) : STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		*out_holders = holders;
	else
		holders_free(&holders);
	return status;
}

/* ---- naming */

static const struct listener_holders *find_item(const struct holders *holders, struct span listener)
{
	for (size_t i = 0; i < holders->count; i++)
		if (holders->items[i].witness && span_equal(span_of(holders->items[i].config->name), listener))
			return &holders->items[i];
	return NULL;
}

/* Empty: nobody. */
static struct span apply_rule(const struct listener_holders *item, const struct tls_client_names *names)
{
	switch (item->config->certificate_user) {
	case CERTIFICATE_USER_EMAIL:
		return span_of(names->email);
	case CERTIFICATE_USER_COMMON_NAME:
		return span_of(names->common_name);
	case CERTIFICATE_USER_MAP:
		return certificate_map_find(secret_reveal(&item->map), span_of(names->subject),
					    span_of(names->fingerprint));
	case CERTIFICATE_USER_NONE:
	default:
		return (struct span){ 0 };
	}
}

enum status holders_name(const struct holders *holders, struct span listener, struct span handshake,
			 const struct tls_challenge *challenge, char **out_name, const char **out_reason)
{
	struct tls_client_names names TLS_CLIENT_NAMES_AUTO = { 0 };
	const struct listener_holders *item = find_item(holders, listener);
	*out_reason = "no login by certificate at this listener";
	if (item == NULL)
		return STATUS_INVALID;
	TRY(tls_witness_judge(item->witness, handshake, challenge, &names, out_reason));
	struct span name = apply_rule(item, &names);
	*out_reason = "the client's certificate names nobody";
	if (span_is_empty(name))
		return STATUS_INVALID;
	*out_name = span_to_string(name);
	return *out_name ? STATUS_OK : STATUS_NO_MEMORY;
}
