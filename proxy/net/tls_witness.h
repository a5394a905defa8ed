/*
 * What a client proved in a TLS handshake, judged by a process that took no part in it: that whoever made the handshake
 * with one of our servers held the key of a certificate, and that our authorities vouch for it.
 *
 * The proof is the client's own signature over the handshake (RFC 8446, 4.4.3), which holds our server's certificate,
 * and in the request for the client's certificate a challenge of the judge's: so it was made neither for another server
 * nor before the challenge. Whoever terminates TLS can pass it on, and can't make one.
 */
#ifndef NET_TLS_WITNESS_H
#define NET_TLS_WITNESS_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/span.h"
#include "net/tls.h"

struct tls_witness;

/* The authorities of client certificates, and their lists of what they revoked (empty: none), as PEM. */
MUST_USE enum status tls_witness_create(struct span ca_pem, struct span crl_pem, struct tls_witness **out_witness,
					char **out_error);
/* One more certificate of our servers. Its first one counts. */
MUST_USE enum status tls_witness_add_server(struct tls_witness *witness, struct span certificate_pem);
void tls_witness_free(struct tls_witness **witness); /* NULL-safe; sets to NULL */

/* How a certificate names its holder. A text that holds a NUL, or is there twice, is no name: NULL. */
struct tls_client_names {
	char *subject;                          /* RFC 4514 */
	char *common_name;                      /* of the subject, UTF-8 */
	char *email;                            /* of the alternative names */
	char fingerprint[HASH_SHA256_HEX_SIZE]; /* SHA-256 of the certificate */
};

void tls_client_names_free(struct tls_client_names *names);
#define TLS_CLIENT_NAMES_AUTO __attribute__((cleanup(tls_client_names_free)))

/*
 * STATUS_INVALID: this handshake proves nothing; *out_reason, static, says why. STATUS_UNAVAILABLE: it was made under
 * another challenge, so a new connection may do. STATUS_NO_MEMORY. The handshake is as
 * stream_client_handshake gives it. Takes about a millisecond at most.
 */
MUST_USE enum status tls_witness_judge(const struct tls_witness *witness, struct span handshake,
				       const struct tls_challenge *challenge, struct tls_client_names *out_names,
				       const char **out_reason);

#endif
