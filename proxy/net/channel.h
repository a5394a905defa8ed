/*
 * A channel: a non-blocking descriptor, with or without TLS on it, with one set
 * of results for both. Private to this room: streams are made of it. It never
 * waits, calls nobody back, and keeps the reason of the first failure.
 */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include <openssl/ssl.h>

#include "base/span.h"
#include "net/channel_bounds.h"
#include "net/tls.h"
#include "net/tls_object.h"

struct channel {
	int fd;
	SSL *ssl;                     /* made, and perhaps not yet in use; for OpenSSL by channel_ssl alone */
	bool in_tls;                  /* bytes go through ssl */
	char *error;                  /* why it failed, or NULL */
	struct channel_bounds bounds; /* of ssl */
	enum tls_fault fault;
};

enum channel_result {
	CHANNEL_OK,
	CHANNEL_WANT_READ, /* try again when the descriptor is readable, in a later turn */
	CHANNEL_WANT_WRITE,
	CHANNEL_ENDED,
	CHANNEL_FAILED,
};

/* For calls of OpenSSL in this turn of the loop. */
static inline SSL *channel_ssl(const struct channel *channel)
{
	return tls_object_use(channel->ssl);
}

void channel_init(struct channel *channel, int fd);
/* Before the first call of each turn of the loop. */
void channel_begin_turn(struct channel *channel);
void channel_close(struct channel *channel); /* frees all, closes the descriptor */

/* Makes the TLS object; it is used once channel_enter_tls was called. `name` empty: no SNI, no check of a name. */
MUST_USE enum status channel_prepare_tls(struct channel *channel, struct tls_context *context, struct span name);
void channel_enter_tls(struct channel *channel);

enum channel_result channel_shake(struct channel *channel);
/* At most `room` bytes; CHANNEL_OK with at least one. */
enum channel_result channel_read(struct channel *channel, char *at, size_t room, size_t *out_size);
/* CHANNEL_OK with at least one byte taken. After a WANT, the same bytes must come again (more after them is fine). */
enum channel_result channel_write(struct channel *channel, struct span bytes, size_t *out_size);
/* What is written from here on may wait in the kernel, as channel_shut follows. */
void channel_expect_end(struct channel *channel);
/* Tells the peer that nothing more comes: close_notify, then FIN. */
enum channel_result channel_shut(struct channel *channel);
/* The handshake is complete. */
bool channel_is_secure(const struct channel *channel);
/* As stream_tls_client_subject. */
char *channel_client_subject(const struct channel *channel);
/* As stream_client_handshake, and stream_drop_handshake. */
struct span channel_client_handshake(const struct channel *channel);
void channel_drop_handshake(struct channel *channel);
/* One TLS 1.3 session ticket goes out with the next write, where tickets are on. */
void channel_send_ticket(struct channel *channel);
/* As stream_expect_no_secrets. */
void channel_expect_no_secrets(struct channel *channel);
/* TLS holds bytes that no readiness of the descriptor will tell of. */
bool channel_has_pending(const struct channel *channel);
/* A read would bring something: bytes, the peer's end, a fault, or at least messages of TLS itself. */
bool channel_has_arrivals(const struct channel *channel);

/* Notes errno as the reason. */
void channel_note_errno(struct channel *channel, int error);

#endif
