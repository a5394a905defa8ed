/* A TLS context as this room knows it: OpenSSL's, and what a connection must know about it. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_context {
	SSL_CTX *openssl;
	bool is_server;
	bool records_handshakes; /* server: of clients, as proofs of their certificates */
	bool verify;             /* client: the peer's certificate and name must be right */
	SSL_CTX **named;         /* server: the certificates added, in that order */
	size_t named_count;
	bool (*may_shake)(void *context); /* server: as in its options */
	void *shake_context;
};

/* tls_policy.c */
MUST_USE enum status tls_set_policy(SSL_CTX *openssl, bool tls13_only);
void tls_set_server_policy(SSL_CTX *openssl);
/* Over the server policy: what devices of the years before TLS 1.2 can do. */
MUST_USE enum status tls_set_legacy_policy(SSL_CTX *openssl);
/* tls_tickets.c; of all contexts that a connection may be switched between. */
bool tls_use_tickets(SSL_CTX *openssl, struct tls_tickets *tickets);
/* tls_challenge.c: puts it into each request for a client's certificate under TLS 1.3; outlives the context. */
bool tls_use_challenge(SSL_CTX *openssl, const struct tls_challenge *challenge);
/* tls_names.c: takes over `openssl` on success; *out_error as tls_server_create has it. */
MUST_USE enum status tls_names_add(struct tls_context *context, SSL_CTX *openssl, char **out_error);
void tls_names_free(struct tls_context *context);

/* tls_binding.c: bytes written; 0: there is nothing to bind to. */
size_t tls_bind_exporter(SSL *ssl, char out_bytes[EVP_MAX_MD_SIZE]);
size_t tls_bind_end_point(const SSL *ssl, char out_bytes[EVP_MAX_MD_SIZE]);

/* What kind of fault OpenSSL's error `code` is. */
enum tls_fault tls_fault_of(unsigned long code);

/* The oldest error OpenSSL noted on this thread, as a static text, or "" when there is none. Empties the list. */
const char *tls_take_reason(void);

#endif
