/*
 * Attributes that would say no to a person, and that bind_dn may not read: to it they look as if nobody had them. 389
 * Directory Server is asked which rights there are; at others, such as OpenLDAP, a comparison is refused where an
 * attribute is hidden, and answered where it is absent. Active Directory's are told by entry.h.
 */
#ifndef AUTH_LDAP_UNREAD_H
#define AUTH_LDAP_UNREAD_H

#include "auth/ldap/entry.h"
#include "auth/ldap/link.h"

/*
 * Asks about `entry`, as one that stands for all, and tells the log and the steps: at the first entry of a directory,
 * whatever comes of it, and whenever somebody wants it explained. `link` is bound as bind_dn.
 */
void ldap_unread_tell(struct ldap_link *link, const struct ldap_entry *entry, bool explains);

#endif
