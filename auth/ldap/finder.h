/*
 * Finds the servers of "srv:DOMAIN" and puts their addresses into places that are kept for them among a directory's
 * servers; looks again from time to time. While DNS is away, those found before stay.
 */
#ifndef AUTH_LDAP_FINDER_H
#define AUTH_LDAP_FINDER_H

#include <pthread.h>

#include "auth/ldap/server.h"
#include "auth/ldap/srv.h"
#include "config/config.h"

#define LDAP_FINDER_FOUND_MS 300000 /* until it looks again */
#define LDAP_FINDER_FAILED_MS 5000

struct ldap_uri;

/* Zeroed at first. */
struct ldap_finder {
	const struct config_ldap *config;
	const char *domain;         /* NULL: there is nothing to find */
	struct ldap_server *places; /* LDAP_SRV_SERVERS of them */
	pthread_mutex_t lock;
	uint64_t due_ms;       /* of the monotonic clock */
	struct ldap_uri *uris; /* all there ever were: threads may still look at them */
	size_t uri_count;
};

/* The domain of the first "srv:DOMAIN" in uri; NULL: none. */
const char *ldap_finder_domain(const struct config_ldap *config);
void ldap_finder_init(struct ldap_finder *finder, const struct config_ldap *config, struct ldap_server *places);
void ldap_finder_destroy(struct ldap_finder *finder); /* no thread uses it, or what it found, any more */
/*
 * From a thread that may wait. Nothing if it isn't due; if another thread is at it, waits for that. A login looks only
 * where nothing was found yet.
 */
void ldap_finder_refresh(struct ldap_finder *finder, bool is_login);

#endif
