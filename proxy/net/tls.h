/*
 * TLS contexts over OpenSSL 3: one a listener and one an upstream. Connections
 * live in net/stream. No renegotiation, no compression, no early data; TLS 1.2
 * at least (RFC 8996, RFC 9325). Automatic TLS 1.3 tickets are off; a stream
 * sends one when told to.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>

#include "base/secret.h"
#include "base/span.h"
#include "net/tls_tickets.h"

struct tls_context;

/* Why a handshake failed; in the order of the labels of COUNTER_TLS_FAILURES. */
enum tls_fault {
	TLS_FAULT_OTHER,
	TLS_FAULT_CLEAR,       /* what came was no TLS */
	TLS_FAULT_VERSION,     /* none in common */
	TLS_FAULT_CIPHER,      /* no cipher, group or signature in common */
	TLS_FAULT_PROTOCOL,    /* the peer wants another protocol than ours (ALPN) */
	TLS_FAULT_CERTIFICATE, /* the peer's: none, or not verified */
	TLS_FAULT_ALERT,       /* the peer gave up, as with a certificate that it doesn't trust */
	TLS_FAULT_LOST,        /* the connection ended */
	TLS_FAULTS
};

/*
 * Goes into the request for a client's certificate, so that the client's signature shows that its handshake is not
 * older (tls_witness.h): an extension of a type for private use, which clients ignore (RFC 8446, 4.3.2 and 11).
 */
#define TLS_CHALLENGE_TYPE 0xff53
#define TLS_CHALLENGE_SIZE 32 /* bytes */

struct tls_challenge {
	bool is_set; /* else requests go out without one */
	unsigned char bytes[TLS_CHALLENGE_SIZE];
};

struct tls_server_options {
	struct span certificate_pem;      /* leaf first, then the chain */
	const struct secret *private_key; /* PEM */
	struct tls_tickets *tickets;      /* outlive the context; NULL, or a client CA: none are made or taken */
	struct span session_id_context;   /* the listener's name */
	bool allow_tls13_only;            /* min_version = "1.3" */
	bool legacy;                      /* TLS 1.0 and what comes with it, for old devices */
	struct span client_ca_pem;        /* clients are asked for a certificate of these; empty: not asked */
	struct span client_crl_pem;       /* what these authorities revoked; empty: nothing is looked up */
	bool requires_client;             /* and none without one gets in */
	/* Handshakes of clients with a certificate are kept as proofs. Outlives the context; NULL: they are not. */
	const struct tls_challenge *challenge;
	/*
	 * Asked once the first bytes of a client's handshake are there; false refuses it. May be NULL. Outlives the
	 * context.
	 */
	bool (*may_shake)(void *context);
	void *shake_context;
};

struct tls_client_options {
	bool verify;        /* false: any certificate passes (tls_verify = false) */
	struct span ca_pem; /* empty: the system's store */
	bool tls13_only;
};

/* out_error: a heap text for the administrator when not OK (free()), such as OpenSSL's reason. */
MUST_USE enum status tls_server_create(const struct tls_server_options *options, struct tls_context **out_context,
				       char **out_error);
/*
 * One more certificate for a server, shown to clients that ask for one of its DNS
 * names (SNI; "*.example.com" stands for one label). Of two that fit, a name wins
 * over a wildcard, then the one added first. All options except certificate and key
 * must be those that the server was created with. Before the first connection
 * only. STATUS_INVALID, too, for a certificate without a DNS name.
 */
MUST_USE enum status tls_server_add(struct tls_context *context, const struct tls_server_options *options,
				    char **out_error);
MUST_USE enum status tls_client_create(const struct tls_client_options *options, struct tls_context **out_context,
				       char **out_error);
void tls_context_free(struct tls_context **context);

/*
 * Bytes that OpenSSL may hold in this process for servers' connections, beyond what idle ones have: mostly for
 * handshakes under way, each counted at the most that one can take.
 */
size_t tls_memory(void);

#endif
