/*
 * The handshake of a TLS 1.3 server with a client that shows a certificate (RFC 8446, 4), as it was recorded: its
 * messages one after the other, from the first ClientHello to the client's CertificateVerify. Pure: finds the parts,
 * judges none. Private to this room.
 */
#ifndef NET_TLS_TRANSCRIPT_H
#define NET_TLS_TRANSCRIPT_H

#include <stdint.h>

#include "base/span.h"

#define TLS_TRANSCRIPT_CHAIN 5 /* certificates of a client: its own, and authorities between it and one we know */

/* Views of the bytes that were read. */
struct tls_transcript {
	struct span first_hello; /* the ClientHello that a HelloRetryRequest answered; empty: there was none */
	struct span signed_part; /* what the client's signature covers, less first_hello */
	uint16_t cipher_suite;
	struct span challenge;                     /* what the request for a certificate held of TLS_CHALLENGE_TYPE */
	struct span server;                        /* the server's own certificate, DER */
	struct span clients[TLS_TRANSCRIPT_CHAIN]; /* DER, the client's own first */
	size_t client_count;                       /* at least one */
	uint16_t algorithm;
	struct span signature;
};

/* STATUS_INVALID: it is none, or not whole, or something is after it. */
MUST_USE enum status tls_transcript_read(struct span bytes, struct tls_transcript *out_transcript);

#endif
