/* What a TLS context is to the streams: OpenSSL's, with what a connection has to know of it. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_context {
	SSL_CTX *openssl;
	bool is_server;
	bool verify; /* client: the peer's certificate and name must be right */
};

/* The oldest error OpenSSL noted on this thread, as a static text, or "" when there is none. Empties the list. */
const char *tls_take_reason(void);

#endif
