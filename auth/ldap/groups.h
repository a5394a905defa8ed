/* The groups of a person: those that the entry names, and those that a search finds, groups of groups included. */
#ifndef AUTH_LDAP_GROUPS_H
#define AUTH_LDAP_GROUPS_H

#include "auth/ldap/entry.h"
#include "auth/ldap/link.h"

/*
 * Adds them to `identity`. An LDAP result code; LDAP_SIZELIMIT_EXCEEDED: more than fit, so that it can't be said which
 * limits hold for this person.
 */
int ldap_groups_read(struct ldap_link *link, const struct ldap_entry *entry, const char *name,
		     struct identity *identity);

#endif
