/*
 * What a peer may cost over TLS. OpenSSL reads, and answers, as long as the
 * descriptor has bytes, so that a peer who sends nothing but messages of TLS
 * itself would keep a turn from ending. Here each turn has a budget, and what no
 * honest peer does ends the connection:
 *
 *   - more than a few messages after the handshake: key updates, tickets (RFC 8446, 4.6)
 *   - a new handshake from a client under TLS 1.2
 *   - a client's handshake message larger than HELLO_MAXIMUM
 *
 * Private to this room.
 */
#ifndef NET_CHANNEL_BOUNDS_H
#define NET_CHANNEL_BOUNDS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "net/hello.h"

struct channel_bounds {
	size_t budget;          /* bytes that may still be read in this turn; each record costs RECORD_COST besides */
	unsigned messages_left; /* so many may come after the handshake */
	size_t read;            /* bytes read since one more message was granted */
	struct hello_watch hello;
	bool is_server;
	bool secured;      /* the handshake is through */
	const char *fault; /* static: what the peer did too much of; nothing more is taken from it. Or NULL */
};

/* Puts them around the TLS object, which has its descriptor; they must stay where they are. */
void channel_bounds_watch(struct channel_bounds *bounds, SSL *ssl, bool is_server);
/* A new turn of the loop: there is a full budget again. */
void channel_bounds_begin_turn(struct channel_bounds *bounds);
/* The handshake is through. */
void channel_bounds_note_secured(struct channel_bounds *bounds, SSL *ssl);

#endif
