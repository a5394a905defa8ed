/*
 * What a peer may cost over TLS. OpenSSL reads, and answers, as long as the
 * descriptor has bytes, so that a peer who sends nothing but messages of TLS
 * itself would keep a turn from ending. Here each turn has a budget, and what no
 * honest peer does ends the connection:
 *
 *   - more than a few messages after the handshake: key updates, tickets (RFC 8446, 4.6)
 *   - a new handshake from a client under TLS 1.2
 *   - a client's handshake message larger than HELLO_MAXIMUM
 *   - a client's handshake when there is no memory for one more
 *
 * Private to this room.
 */
#ifndef NET_CHANNEL_BOUNDS_H
#define NET_CHANNEL_BOUNDS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "net/handshake_record.h"
#include "net/hello.h"
#include "net/tls_context.h"

struct channel_bounds {
	SSL *ssl;
	int fd;                 /* under it, by tls_socket.h */
	size_t budget;          /* bytes that may still be read in this turn; each record costs some besides */
	unsigned messages_left; /* that may still come after the handshake */
	size_t read;            /* bytes read since one more message was granted */
	struct hello_watch hello;
	struct handshake_record record;   /* ON only for servers that record */
	size_t memory;                    /* bytes, as it counts in tls_memory */
	const struct tls_context *server; /* NULL: this is a client */
	bool begun;                       /* bytes of the peer's have come */
	bool writing;                     /* a record of ours went out in part */
	bool secured;                     /* the handshake is complete */
	bool owes_ticket;                 /* the next write begins with one, if it can be made */
	bool more_follows;                /* the next bytes of ours may wait for those after them */
	bool ends;                        /* all bytes of ours may wait for the end of our side, which follows */
	const char *fault; /* static: what the peer did too much of; nothing more is taken from it. Or NULL */
};

/*
 * Puts them around the TLS object, for tls_socket.h too; they must not move in memory. The context outlives them.
 * STATUS_NO_MEMORY: the object must not be used.
 */
MUST_USE enum status channel_bounds_watch(struct channel_bounds *bounds, SSL *ssl, int fd,
					  const struct tls_context *context);
/*
 * Before the handshake's calls: false while a client has sent nothing, as OpenSSL takes 48 KiB before it looks. A fault
 * means that there is no memory for it.
 */
bool channel_bounds_begin(struct channel_bounds *bounds);
/* Before a read into `room` bytes: how many may come; 0: none in this turn, or never (`fault`). */
size_t channel_bounds_room(const struct channel_bounds *bounds, size_t room);
/* After it, before anything is done about the bytes: false, with `fault`, if they must not be used. */
bool channel_bounds_take(struct channel_bounds *bounds, struct span bytes);
/* A new turn of the loop: there is a full budget again. */
void channel_bounds_begin_turn(struct channel_bounds *bounds);
/* The handshake is complete. */
void channel_bounds_note_secured(struct channel_bounds *bounds, SSL *ssl);
/* After each call: counts what OpenSSL holds now. NULL: it is gone. */
void channel_bounds_count(struct channel_bounds *bounds, const SSL *ssl);

#endif
