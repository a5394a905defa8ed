/* All values of an attribute, however many: Active Directory gives 1,500 at a time (MS-ADTS, 3.1.1.3.1.3.3). */
#ifndef AUTH_LDAP_VALUES_H
#define AUTH_LDAP_VALUES_H

#include "auth/ldap/link.h"

/*
 * Gives each value of `attribute` of the entry `dn` to `take`, and asks on where there are more. An LDAP result code,
 * of which LDAP_SIZELIMIT_EXCEEDED means more than anybody has, or that `take` said STATUS_TOO_LARGE.
 */
int ldap_values_visit(struct ldap_link *link, const char *dn, LDAPMessage *entry, const char *attribute,
		      enum status (*take)(void *context, struct span value), void *context);
/* What a failed visitor's status is as a result code. */
int ldap_values_code(enum status status);

#endif
