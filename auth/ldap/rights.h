/* What a person may do, as far as it takes more than their entry: groups, addresses, and the filter of who is valid. */
#ifndef AUTH_LDAP_RIGHTS_H
#define AUTH_LDAP_RIGHTS_H

#include "auth/ldap/entry.h"
#include "auth/ldap/link.h"

/*
 * Groups and senders into `identity`; its standing becomes STANDING_INVALID where valid_filter does not match. An LDAP
 * result code, of which LDAP_SIZELIMIT_EXCEEDED means a list that does not fit: it is told in the log.
 */
int ldap_rights_read(struct ldap_link *link, const struct ldap_entry *entry, const char *name,
		     struct identity *identity);

#endif
