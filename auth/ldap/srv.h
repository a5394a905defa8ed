/*
 * The servers of a domain by DNS: SRV records of _ldap._tcp.DOMAIN (RFC 2782), as Active Directory keeps them for its
 * domain controllers. DNS is not trusted: only hosts within the domain count, as their certificates are checked against
 * these names.
 */
#ifndef AUTH_LDAP_SRV_H
#define AUTH_LDAP_SRV_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define LDAP_SRV_SERVERS 8     /* of a domain, at most: the first by priority and weight */
#define LDAP_SRV_HOST_SIZE 254 /* bytes, the NUL included */

struct ldap_srv_server {
	char host[LDAP_SRV_HOST_SIZE]; /* without the last dot */
	uint16_t port;
	uint16_t priority; /* the lowest first */
	uint16_t weight;
};

/*
 * From a thread that may wait: some seconds at most. STATUS_NOT_FOUND: there are none; STATUS_UNAVAILABLE: DNS does not
 * answer, or not with sense.
 */
MUST_USE enum status ldap_srv_ask(const char *domain, struct ldap_srv_server out_servers[LDAP_SRV_SERVERS],
				  size_t *out_count);
/* Asks this name server, an IPv4 address, instead of those of resolv.conf. Before the first question. */
void ldap_srv_use_server(const char *address, uint16_t port);

#endif
