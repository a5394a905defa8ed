/*
 * TLS contexts, one for each CA file, which live as long as the process:
 * libldap counts a reference for LDAP_OPT_X_TLS_CTX when it is read, and has no
 * way to give one back. Handles share them; libldap locks its own counting.
 */
#include "auth/ldap/trust.h"

#include <ldap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/ldap/library.h"
#include "base/span.h"

#define SYSTEM_CERTIFICATES "/etc/ssl/certs/ca-certificates.crt" /* where Debian keeps what the system trusts */

struct context {
	struct context *next;
	char *ca_file;
	bool shows_certificate; /* which is one directory's alone */
	void *tls;
};

static struct context *contexts; /* of this process; never freed */

static bool wants_tls(const struct config_ldap *config)
{
	for (size_t i = 0; i < config->uri.count; i++)
		if (!span_starts_with_nocase(span_of(config->uri.items[i]), SPAN("ldap:")))
			return true; /* ldaps: or srv: */
	return config->starttls;
}

/* libldap takes files by name alone. */
static bool set_file(LDAP *handle, int option, int fd)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd < 0 || ldap_set_option(handle, option, path) == LDAP_OPT_SUCCESS;
}

static enum status set_up(LDAP *handle, const char *ca_file, const struct ldap_client *shown, void **out_tls)
{
	int demand = LDAP_OPT_X_TLS_DEMAND;
	int oldest = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2; /* RFC 8996 */
	int client = 0;
	void *tls = NULL;
	if (ldap_set_option(handle, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(handle, LDAP_OPT_X_TLS_CACERTFILE, ca_file) != LDAP_OPT_SUCCESS ||
	    !set_file(handle, LDAP_OPT_X_TLS_CERTFILE, shown->certificate) ||
	    !set_file(handle, LDAP_OPT_X_TLS_KEYFILE, shown->key) ||
	    ldap_set_option(handle, LDAP_OPT_X_TLS_PROTOCOL_MIN, &oldest) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(handle, LDAP_OPT_X_TLS_NEWCTX, &client) != LDAP_OPT_SUCCESS ||
	    ldap_get_option(handle, LDAP_OPT_X_TLS_CTX, &tls) != LDAP_OPT_SUCCESS || tls == NULL)
		return STATUS_INVALID;
	*out_tls = tls;
	return STATUS_OK;
}

static enum status read_certificates(const char *ca_file, const struct ldap_client *shown, void **out_tls)
{
	LDAP *handle = NULL;
	if (ldap_initialize(&handle, NULL) != LDAP_SUCCESS)
		return STATUS_NO_MEMORY;
	enum status status = set_up(handle, ca_file, shown, out_tls);
	ldap_unbind_ext(handle, NULL, NULL);
	return status;
}

static enum status make_context(const char *ca_file, const struct ldap_client *shown, void **out_tls)
{
	struct context *context = calloc(1, sizeof(*context));
	if (context == NULL)
		return STATUS_NO_MEMORY;
	context->ca_file = span_to_string(span_of(ca_file));
	enum status status = context->ca_file ? read_certificates(ca_file, shown, &context->tls) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		free(context->ca_file);
		free(context);
		return status;
	}
	context->shows_certificate = shown->certificate >= 0;
	context->next = contexts;
	contexts = context;
	*out_tls = context->tls;
	return STATUS_OK;
}

enum status ldap_trust_get(const struct config_ldap *config, const struct ldap_client *client, void **out_tls)
{
	const char *ca_file = config->ca_file[0] ? config->ca_file : SYSTEM_CERTIFICATES;
	TRY(ldap_library_start());
	if (!wants_tls(config)) {
		*out_tls = NULL;
		return STATUS_OK;
	}
	for (const struct context *context = contexts; context && client->certificate < 0; context = context->next) {
		if (context->shows_certificate || !span_equal(span_of(context->ca_file), span_of(ca_file)))
			continue;
		*out_tls = context->tls;
		return STATUS_OK;
	}
	return make_context(ca_file, client, out_tls);
}
