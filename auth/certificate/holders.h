/*
 * Whom client certificates log in, by listener: its authorities, what they revoked, and its rule (certificate_user).
 * What a gate passes on is judged by the client's own signature (net/tls_witness.h): no gate can name somebody whose
 * handshake it did not make itself.
 */
#ifndef AUTH_CERTIFICATE_HOLDERS_H
#define AUTH_CERTIFICATE_HOLDERS_H

#include "net/tls_witness.h"
#include "role/role.h"

struct holders;

/* Takes "client-ca", "client-crl", "certificate-map" and "tls-certificate" of the role. Logs what is wrong. */
MUST_USE enum status holders_create(const struct role_context *role, struct holders **out_holders);
void holders_free(struct holders **holders); /* NULL-safe; sets to NULL */

/*
 * The name that the certificate gives its holder at this listener, on the heap. STATUS_INVALID: it proves or names
 * nobody; *out_reason, static, says why. STATUS_UNAVAILABLE: a new connection may do. STATUS_NO_MEMORY.
 */
MUST_USE enum status holders_name(const struct holders *holders, struct span listener, struct span handshake,
				  const struct tls_challenge *challenge, char **out_name, const char **out_reason);

#endif
