/*
 * The header fields that we put in front of a message: Received (RFC 5321, 4.4) and those that a submission server adds
 * where they are missing (RFC 6409, 8).
 *
 * All write whole fields in wire form, folded below 78 columns wherever a single token allows. Nothing that a client
 * chose can break out of them: bytes that are not part of a plain name become '?'. On failure `b` is as it was.
 */
#ifndef SMTP_RECEIVED_H
#define SMTP_RECEIVED_H

#include "base/buf.h"
#include "base/span.h"

struct received {
	bool full;               /* false: nothing about the client, as the option `received = "private"` promises */
	bool utf8;               /* the message came with SMTPUTF8 (RFC 6531, 4.3) */
	struct span by;          /* our host name */
	struct span id;          /* of the message */
	uint64_t wall_us;        /* when its data came */
	struct span helo;        /* full: what the client called itself */
	struct span client;      /* full: its IPv4 or IPv6 address as text, without brackets */
	struct span tls_version; /* full: "TLSv1.3"; may be empty */
	struct span tls_cipher;  /* full: may be empty */
	struct span recipient;   /* full: the only recipient, or empty: several don't learn of each other */
};

/*
 * "Received: by HOST (Subgate) with ESMTPSA id ID; DATE", and with `full` the from, TLS and for parts.
 * STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status received_write(struct buf *b, const struct received *received);
/* "Date: Mon, 23 Nov 2026 08:15:30 +0000" */
MUST_USE enum status received_write_date(struct buf *b, uint64_t wall_us);
/* "Message-ID: <ID@HOST>" */
MUST_USE enum status received_write_message_id(struct buf *b, struct span id, struct span host);
/* "From: <ADDRESS>"; STATUS_INVALID unless `address` is a mailbox with a domain. */
MUST_USE enum status received_write_from(struct buf *b, struct span address);

#endif
