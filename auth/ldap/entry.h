/* A user's entry in the directory: which attributes are asked for, and what identity they make. */
#ifndef AUTH_LDAP_ENTRY_H
#define AUTH_LDAP_ENTRY_H

#include <ldap.h>

#include "auth/identity.h"
#include "config/config.h"

/* The attributes to ask for, NULL at the end; the caller frees the array, not the names. NULL: out of memory. */
char **ldap_entry_attributes(const struct config_ldap *config);

/*
 * Fills `out_identity` (initialized). `name` stands in where user_attribute
 * has no value. STATUS_INVALID: a name that can't be one.
 */
MUST_USE enum status ldap_entry_read(LDAP *handle, LDAPMessage *entry, const struct config_ldap *config,
				     const char *name, struct identity *out_identity);

#endif
