/*
 * A user's entry in the directory: which attributes are asked for, and what they say of the person. What takes further
 * searches (groups and so on) is in rights.h.
 */
#ifndef AUTH_LDAP_ENTRY_H
#define AUTH_LDAP_ENTRY_H

#include <ldap.h>

#include "auth/identity.h"
#include "auth/ldap/tell.h"
#include "config/config.h"

/* The attributes to ask for, NULL at the end; the caller frees the array, not the names. NULL: out of memory. */
char **ldap_entry_attributes(const struct config_ldap *config);

struct ldap_entry {
	LDAP *handle;
	LDAPMessage *message;
	const char *dn;
	const struct config_ldap *config;
	struct ldap_tell *tell;
};

/*
 * Id, name and standing into `identity` (initialized), whose standing is STANDING_NAMELESS where user_attribute has not
 * one usable value; then `name`, as the client gave it, stands in for it. STATUS_INVALID: without an id nobody can say
 * whose entry it is. STATUS_NO_MEMORY.
 */
MUST_USE enum status ldap_entry_read(const struct ldap_entry *entry, const char *name, struct identity *identity);
/* Whether it shows that a password too old is in use: the next bind would use up one more of those that are allowed. */
bool ldap_entry_has_grace(const struct ldap_entry *entry);
/*
 * Adds `value` of a sender attribute if it is an address: as it stands, after "smtp:" (proxyAddresses), or, where
 * sender_domains_from_directory says so, "@DOMAIN". Others are passed over. STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status ldap_entry_add_sender(const struct config_ldap *config, struct span value,
					   struct identity *identity);

#endif
