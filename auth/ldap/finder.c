/* Addresses are kept until the end, each once, so that no thread ever reads one that is gone. */
#include "auth/ldap/finder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"

#define URIS_MAXIMUM 256 /* different ones in a directory's life: more, and those found before stay */
#define URI_SIZE (LDAP_SRV_HOST_SIZE + 16)
#define LDAPS_PORT 636U /* SRV records tell the port of ldap:// alone */

struct ldap_uri {
	struct ldap_uri *next;
	char text[URI_SIZE];
};

const char *ldap_finder_domain(const struct config_ldap *config)
{
	for (size_t i = 0; i < config->uri.count; i++)
		if (span_starts_with_nocase(span_of(config->uri.items[i]), SPAN("srv:")))
			return config->uri.items[i] + strlen("srv:");
	return NULL;
}

void ldap_finder_init(struct ldap_finder *finder, const struct config_ldap *config, struct ldap_server *places)
{
	*finder = (struct ldap_finder){ .config = config, .domain = ldap_finder_domain(config), .places = places };
	pthread_mutex_init(&finder->lock, NULL);
}

void ldap_finder_destroy(struct ldap_finder *finder)
{
	while (finder->uris) {
		struct ldap_uri *next = finder->uris->next;
		free(finder->uris);
		finder->uris = next;
	}
	pthread_mutex_destroy(&finder->lock);
}

/* NULL: too many, or no memory. */
static const char *keep_uri(struct ldap_finder *finder, const char *text)
{
	for (const struct ldap_uri *uri = finder->uris; uri; uri = uri->next)
		if (strcmp(uri->text, text) == 0)
			return uri->text;
	struct ldap_uri *added = finder->uri_count < URIS_MAXIMUM ? calloc(1, sizeof(*added)) : NULL;
	if (added == NULL)
		return NULL;
	snprintf(added->text, sizeof(added->text), "%s", text);
	added->next = finder->uris;
	finder->uris = added;
	finder->uri_count++;
	return added->text;
}

static void place_server(struct ldap_finder *finder, size_t place, const struct ldap_srv_server *found)
{
	char text[URI_SIZE];
	if (finder->config->starttls)
		snprintf(text, sizeof(text), "ldap://%.253s:%u", found->host, found->port);
	else
		snprintf(text, sizeof(text), "ldaps://%.253s:%u", found->host, LDAPS_PORT);
	const char *uri = keep_uri(finder, text);
	if (uri && ldap_server_set_uri(&finder->places[place], uri))
		log_info("ldap %s: %s is a server of %s", finder->config->name, uri, finder->domain);
}

/* `lock` is held. */
static void find_servers(struct ldap_finder *finder)
{
	struct ldap_srv_server found[LDAP_SRV_SERVERS];
	size_t count = 0;
	enum status status = ldap_srv_ask(finder->domain, found, &count);
	finder->due_ms = clock_monotonic_ms() + (status == STATUS_OK ? LDAP_FINDER_FOUND_MS : LDAP_FINDER_FAILED_MS);
	if (status != STATUS_OK) {
		ldap_server_complain(&finder->places[0], status == STATUS_NOT_FOUND
								 ? "DNS has no SRV records with hosts of this domain"
								 : "DNS does not answer for its SRV records");
		return;
	}
	for (size_t i = 0; i < count; i++)
		place_server(finder, i, &found[i]);
	for (size_t i = count; i < LDAP_SRV_SERVERS; i++)
		ldap_server_set_uri(&finder->places[i], NULL);
}

static bool has_found(const struct ldap_finder *finder)
{
	for (size_t i = 0; i < LDAP_SRV_SERVERS; i++)
		if (ldap_server_uri(&finder->places[i]))
			return true;
	return false;
}

void ldap_finder_refresh(struct ldap_finder *finder, bool is_login)
{
	if (finder->domain == NULL || (is_login && has_found(finder)))
		return;
	pthread_mutex_lock(&finder->lock);
	if (clock_monotonic_ms() >= finder->due_ms)
		find_servers(finder);
	pthread_mutex_unlock(&finder->lock);
}
