/* libldap's own start, without what it would read or ask for by itself. */
#ifndef AUTH_LDAP_LIBRARY_H
#define AUTH_LDAP_LIBRARY_H

#include "base/status.h"

/*
 * To be called before any other function of libldap; again, it does nothing.
 * Takes a second where DNS is silent. STATUS_NO_MEMORY: libldap can't start.
 */
MUST_USE enum status ldap_library_start(void);

#endif
