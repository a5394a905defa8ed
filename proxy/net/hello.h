/*
 * The size of a client's handshake messages, seen on the wire before OpenSSL has
 * room made for them: it takes a ClientHello of 128 KiB, and takes the memory at
 * once when the first four octets announce it. Pure; private to this room.
 */
#ifndef NET_HELLO_H
#define NET_HELLO_H

#include <stdbool.h>

#include "base/span.h"

#define HELLO_MAXIMUM 16384U /* bytes of one handshake message; with post-quantum shares a ClientHello has 2,000 */

/* All zero at first. */
struct hello_watch {
	unsigned char record[5];            /* the header of the record that comes (RFC 8446, 5.1) */
	unsigned char message[4];           /* the header of the handshake message that comes (RFC 8446, 4) */
	unsigned record_seen, message_seen; /* bytes of each header so far */
	size_t record_left, message_left;   /* bytes to come of each body */
	bool over;                          /* the rest is encrypted, or no TLS */
};

/*
 * The next bytes that came from the client, in pieces that end at the latest where a
 * record's header ends, and where its body ends. `is_old`: TLS 1.2 or older is agreed on,
 * so that a change of cipher is the end of what can be read here. False: a message is too large.
 */
bool hello_take(struct hello_watch *watch, struct span bytes, bool is_old);

#endif
