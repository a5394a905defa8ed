/*
 * The size of a client's handshake messages, seen on the wire before OpenSSL
 * makes room for them: it accepts a ClientHello of 128 KiB, and allocates that
 * much as soon as the first four octets announce it. Pure; private to this room.
 */
#ifndef NET_HELLO_H
#define NET_HELLO_H

#include <stdbool.h>

#include "base/span.h"

#define HELLO_MAXIMUM 16384U /* bytes of one handshake message; with post-quantum shares a ClientHello has 2,000 */

/* All zero at first. */
struct hello_watch {
	unsigned char record[5];            /* the header of the next record (RFC 8446, 5.1) */
	unsigned char message[4];           /* the header of the next handshake message (RFC 8446, 4) */
	unsigned record_seen, message_seen; /* bytes of each header so far */
	size_t record_left, message_left;   /* bytes to come of each body */
	bool over;                          /* the rest is encrypted, or no TLS */
};

/*
 * The next bytes from the client, as they come. `is_old`: TLS 1.2 or older was agreed on, so nothing can be read here
 * after a change of cipher. False: a message is too large.
 */
bool hello_take(struct hello_watch *watch, struct span bytes, bool is_old);

#endif
