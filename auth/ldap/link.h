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

#define LDAP_EFFECTIVE_RIGHTS "1.3.6.1.4.1.42.2.27.9.5.2" /* the control of ldap_link_search_rights */
#define LDAP_FAULT_SIZE 256                               /* bytes of a text for the log, the NUL included */

/* Zeroed at first. Invariant: handle != NULL iff open. */
struct ldap_link {
	LDAP *handle;
	struct ldap_conncb callback;
	struct ldap_guard *guard;
	unsigned slot; /* of the guard */
};

/*
 * Connects, with TLS or StartTLS, if configured. `tls` is ldap_trust_get's.
 * An LDAP result code; `guard` must be armed.
 */
int ldap_link_open(struct ldap_link *link, const struct config_ldap *config, void *tls, const char *uri,
		   struct ldap_guard *guard, unsigned slot);
/* The same with whoever answers, to look at their certificate: no secret may go over it. */
int ldap_link_open_unverified(struct ldap_link *link, const struct config_ldap *config, const char *uri,
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
/*
 * What `subject` may do with `attributes` of the entry `dn`, in its attributeLevelRights, to be freed with
 * ldap_msgfree: draft-ietf-ldapext-acl-model, as far as 389 Directory Server has it. An LDAP result code.
 */
int ldap_link_search_rights(struct ldap_link *link, const char *dn, const char *subject, char **attributes,
			    LDAPMessage **out_result);
/* LDAP_COMPARE_TRUE, LDAP_COMPARE_FALSE, or why there is neither (RFC 4511, 4.10). */
int ldap_link_compare(struct ldap_link *link, const char *dn, const char *attribute, const char *value);
/* A search whose entries come in pages (RFC 2696), or all at once where the server knows none. Zeroed but for two. */
struct ldap_pages {
	const char *base;
	const char *filter;
	struct berval *cookie; /* of the server */
	bool done;             /* there are no more */
};
/* The next page of the whole subtree, to be freed with ldap_msgfree. An LDAP result code. */
int ldap_link_search_page(struct ldap_link *link, struct ldap_pages *pages, char **attributes,
			  LDAPMessage **out_result);
void ldap_pages_free(struct ldap_pages *pages);
/* "Can't contact LDAP server (certificate unknown)": a code, and what the handle knows besides. */
void ldap_link_describe(const struct ldap_link *link, int code, char fault[LDAP_FAULT_SIZE]);

#endif
