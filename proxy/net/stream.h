/*
 * A stream: a connected descriptor with optional TLS, a capped input and a
 * capped output buffer, and one deadline. Everything written in a turn of the
 * loop goes out at its end. Output is written first and the write watcher
 * armed only when the kernel would block; the read watcher is idle only while
 * paused. The stream owns the descriptor.
 *
 * Its owner gets one callback. It may call any function of this header on the
 * stream inside the callback, stream_free too.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/loop.h"
#include "net/tls.h"

enum stream_event {
	STREAM_CONNECTED, /* connect(2) has succeeded */
	STREAM_SECURED,   /* the TLS handshake is complete */
	STREAM_INPUT,     /* stream_input() grew */
	STREAM_DRAINED,   /* all output is with the kernel, after it was backed up or a drain was asked for */
	STREAM_TIMEOUT,   /* the deadline passed; nothing was closed */
	STREAM_ENDED,     /* the peer ended its side (TLS: close_notify or end of file); unread input stays */
	STREAM_FAILED,    /* reset, TLS fault, connect refused: stream_error() tells; only stream_free is of use now */
};

struct stream;

struct stream_options {
	size_t input_maximum;  /* bytes: reading pauses while so much is unread */
	size_t output_maximum; /* bytes: stream_write beyond it is STATUS_TOO_LARGE */
	void (*on_event)(void *context, struct stream *stream, enum stream_event event);
	void *context;
	/* Or NULL. Its descriptor is closed, after stream_finish too; called once, as the last thing. */
	void (*on_gone)(void *context);
	void *gone_context;
};

/* Takes a connected, non-blocking descriptor (closed on failure too, without on_gone). */
MUST_USE enum status stream_create(struct loop *loop, int fd, const struct stream_options *options,
				   struct stream **out_stream);
/* Begins a connect to an address; STREAM_CONNECTED or STREAM_FAILED follows. */
struct sockaddr;
MUST_USE enum status stream_connect(struct loop *loop, const struct sockaddr *address, unsigned address_size,
				    const struct stream_options *options, struct stream **out_stream);
/* Closes at once, output unsent dropped. NULL-safe; sets to NULL. */
void stream_free(struct stream **stream);
/*
 * Hands all output to the kernel, sends close_notify, closes, and frees itself within `limit_ms`; no event follows.
 * Sets to NULL.
 */
void stream_finish(struct stream **stream, uint64_t limit_ms);

/*
 * TLS from the next byte on, after what was written so far. STATUS_INVALID when there is unread input (bytes before a
 * handshake are an attack, RFC 3207, 4.2).
 */
MUST_USE enum status stream_secure_server(struct stream *stream, struct tls_context *context);
/*
 * `name`: verified against the certificate and sent as SNI; an address literal is verified as one. STATUS_INVALID, too,
 * without a name where one is to be verified.
 */
MUST_USE enum status stream_secure_client(struct stream *stream, struct tls_context *context, struct span name);
/* Sends one TLS 1.3 session ticket with the next output; nothing for TLS 1.2. */
void stream_send_ticket(struct stream *stream);

/*
 * What comes and goes from now on need not be wiped, neither from TLS's buffers nor from ours: messages, and no
 * passwords. Wiping takes as long as a quarter of decrypting.
 */
void stream_expect_no_secrets(struct stream *stream);

/* What came in and is unread; the owner consumes it. More arrives only in a later turn. */
struct buf *stream_input(struct stream *stream);
/*
 * Takes what has come by now, the kernel's and TLS's buffers included, without waiting for the loop. True: there is
 * unread input for the caller to deal with; no STREAM_INPUT tells of it. The peer's end is told later, as always.
 */
bool stream_fetch(struct stream *stream);
/*
 * The same of what had come when this turn of the loop began: where the turn found nothing, or has read all that there
 * was, no system call looks again.
 */
bool stream_fetch_noticed(struct stream *stream);
/*
 * No input is read until resumed; unread input stays. After a full input no call is needed: the stream notices by
 * itself when there is room.
 */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/*
 * Queues; goes out at the end of the turn, or most of a large piece at once. STATUS_TOO_LARGE: nothing was queued.
 * STATUS_UNAVAILABLE: it has failed.
 */
MUST_USE enum status stream_write(struct stream *stream, struct span bytes);
size_t stream_backlog(const struct stream *stream); /* bytes queued and not yet with the kernel */
/*
 * Bytes that the peer's kernel has not acknowledged, those queued here included; TLS's own count, too. Whether the peer
 * has read them nobody knows.
 */
size_t stream_unacknowledged(const struct stream *stream);
/* STREAM_DRAINED once, when the backlog is next empty (at the end of this turn at the earliest). */
void stream_want_drained(struct stream *stream);

/* One STREAM_TIMEOUT, `delay_ms` from now; replaces the former; 0 clears it. */
void stream_set_deadline(struct stream *stream, uint64_t delay_ms);

bool stream_is_secure(const struct stream *stream);
const char *stream_tls_version(const struct stream *stream); /* "TLSv1.3", or "" */
const char *stream_tls_cipher(const struct stream *stream);  /* OpenSSL's name, or "" */
/*
 * Server: the subject (RFC 4514) of the certificate that the client showed, if it was verified; else NULL. The caller's
 * to free.
 */
char *stream_tls_client_subject(const struct stream *stream);
/*
 * Server: the messages of the handshake with a client that showed a certificate, if its context has a challenge, TLS
 * 1.3 was agreed on and the certificate was verified: for tls_witness_judge. Else empty. Valid until it is dropped.
 */
struct span stream_client_handshake(const struct stream *stream);
void stream_drop_handshake(struct stream *stream);
/* Server: what names this connection, for channel binding. Sizes are 0 where it has none. */
#define STREAM_BINDING_MAXIMUM 64 /* bytes */
struct stream_bindings {
	char exporter[STREAM_BINDING_MAXIMUM];  /* "tls-exporter" of TLS 1.3: RFC 9266 */
	char end_point[STREAM_BINDING_MAXIMUM]; /* "tls-server-end-point": RFC 5929, 4.1 */
	size_t exporter_size, end_point_size;
};
void stream_find_bindings(const struct stream *stream, struct stream_bindings *out_bindings);
/* Why its TLS handshake failed. */
enum tls_fault stream_tls_fault(const struct stream *stream);
/* The stream was failed because the peer sent too much of TLS's own: net/channel_bounds.h. */
bool stream_was_abused(const struct stream *stream);
/* Why it failed, such as "certificate verify failed: self-signed certificate". Valid as long as the stream. */
const char *stream_error(const struct stream *stream);

#endif
