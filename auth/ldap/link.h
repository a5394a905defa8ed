/*
 * One connection to one directory server: a libldap handle with our deadlines,
 * our trust, and no referrals. Used by one thread. What fails is closed by the
 * caller and opened anew; libldap's own reconnecting is never relied on.
 */
#ifndef AUTH_LDAP_LINK_H
#define AUTH_LDAP_LINK_H

#include <ldap.h>

#include "auth/ldap/verdict.h"
#include "auth/ldap/watchdog.h"
#include "base/span.h"
#include "config/config.h"

#define LDAP_FAULT_SIZE 256 /* bytes of a text for the log, the NUL included */

/* Zeroed at first. Invariant: handle != NULL iff open. */
struct ldap_link {
	LDAP *handle;
	struct ldap_conncb callback;
	struct ldap_guard *guard;
	unsigned slot; /* of the guard */
};

/*
 * Connects lazily; StartTLS, if configured, at once. `tls` is ldap_trust_get's.
 * An LDAP result code; `guard` must be armed.
 */
int ldap_link_open(struct ldap_link *link, const struct config_ldap *config, void *tls, const char *uri,
		   struct ldap_guard *guard, unsigned slot);
void ldap_link_close(struct ldap_link *link); /* safe on a closed one */

/*
 * A simple bind (RFC 4513, 5.1). *out_answer's diagnostic points into `fault`.
 * An empty password for a name never goes out: servers may take it as anonymous (5.1.2).
 */
void ldap_link_bind(struct ldap_link *link, const char *dn, struct span password, char fault[LDAP_FAULT_SIZE],
		    struct ldap_bind_answer *out_answer);
/* A search of at most two entries, to be freed with ldap_msgfree. An LDAP result code. */
int ldap_link_search(struct ldap_link *link, const char *base, int scope, const char *filter, char **attributes,
		     LDAPMessage **out_result);
/* "Can't contact LDAP server (certificate unknown)": a code, and what the handle knows besides. */
void ldap_link_describe(const struct ldap_link *link, int code, char fault[LDAP_FAULT_SIZE]);

#endif
