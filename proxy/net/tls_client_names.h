/* How a client's certificate names its holder. Private to this room; tls_witness.h has the struct. */
#ifndef NET_TLS_CLIENT_NAMES_H
#define NET_TLS_CLIENT_NAMES_H

#include <openssl/x509.h>

#include "net/tls_witness.h"

/* RFC 4514, so one line. On the heap; NULL without memory. */
char *tls_write_subject(const X509 *certificate);
/* STATUS_NO_MEMORY. */
MUST_USE enum status tls_client_names_read(const X509 *certificate, struct tls_client_names *out_names);

#endif
