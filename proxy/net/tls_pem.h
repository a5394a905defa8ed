/* Certificates and lists of revoked ones as administrators keep them: PEM. Private to this room. */
#ifndef NET_TLS_PEM_H
#define NET_TLS_PEM_H

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "base/span.h"

/* NULL: nothing there, too large, or no memory. BIO_free. */
BIO *tls_open_pem(struct span pem);
/* For PEM functions: an encrypted key is refused, as its passphrase must not be asked for on the terminal. */
int tls_refuse_passphrase(char *text, int size, int writing, void *context);

/* Calls `take` for each certificate; `take` owns it on success. False for none, a broken one, or one not taken. */
bool tls_read_certificates(struct span pem, bool (*take)(void *context, X509 *certificate), void *context);
/* For tls_read_certificates: into the X509_STORE `context`. */
bool tls_take_authority(void *context, X509 *certificate);
/*
 * The store refuses what is revoked, what a revoked authority signed, and whatever comes of an authority without a list
 * that is valid now.
 */
bool tls_read_revocations(struct span pem, X509_STORE *store);

#endif
