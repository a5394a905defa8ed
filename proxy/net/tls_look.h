/* What can be said of certificates without making a server or a client of them. */
#ifndef NET_TLS_LOOK_H
#define NET_TLS_LOOK_H

#include "base/secret.h"
#include "base/span.h"

/*
 * When the first certificate of a PEM text ends, in seconds since 1970. STATUS_INVALID: there is none, or it has no
 * such time.
 */
MUST_USE enum status tls_look_at_expiry(struct span certificate_pem, uint64_t *out_s);
/* Whether the key is the first certificate's. out_error: a heap text for the administrator when not OK, or NULL. */
MUST_USE enum status tls_look_at_pair(struct span certificate_pem, const struct secret *key, char **out_error);
/* Whether authorities, and what they revoked (empty: nothing), can be read. out_error is as above. */
MUST_USE enum status tls_look_at_authorities(struct span ca_pem, struct span crl_pem, char **out_error);

#endif
