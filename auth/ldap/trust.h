/* Which CA certificates a directory's servers are checked against: libldap's TLS contexts, made at start. */
#ifndef AUTH_LDAP_TRUST_H
#define AUTH_LDAP_TRUST_H

#include "base/status.h"
#include "config/config.h"

/* What we show to servers, as sealed files: borrowed. -1: none. */
struct ldap_client {
	int certificate;
	int key;
};

/*
 * The context for this directory, for LDAP_OPT_X_TLS_CTX; NULL where it has no
 * server that speaks TLS. Reads `ca_file`, or the system's certificates: before
 * the sandbox, on the loop's thread. STATUS_INVALID: these, or ours, can't be read.
 */
MUST_USE enum status ldap_trust_get(const struct config_ldap *config, const struct ldap_client *client, void **out_tls);

#endif
