/* Why a server's certificate was not taken, for an administrator: what can be seen of the certificate itself. */
#ifndef NET_TLS_BLAME_H
#define NET_TLS_BLAME_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Appends a phrase such as `its certificate is for "a.example", not for "b.example"`. `der`: the certificate, of
 * whoever answered; `host`: the name or address it was asked for by. One that is in order by itself comes from an
 * authority that isn't trusted. Texts of the certificate are put in as they are.
 */
MUST_USE enum status tls_blame_certificate(struct span der, const char *host, struct buf *out);

#endif
