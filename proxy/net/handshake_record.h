/*
 * The messages of a server's handshake, kept as they pass, up to the client's CertificateVerify: what tls_witness.h
 * judges. Private to this room.
 */
#ifndef NET_HANDSHAKE_RECORD_H
#define NET_HANDSHAKE_RECORD_H

#include "base/buf.h"

struct handshake_record {
	struct buf messages;
	enum { RECORD_OFF, RECORD_ON, RECORD_COMPLETE } state; /* bytes are held only while it is not OFF */
};

void handshake_record_begin(struct handshake_record *record);
/* One message with its header. Does nothing unless it is ON. */
void handshake_record_take(struct handshake_record *record, bool is_ours, struct span message);
/* The handshake is over: keeps what is complete. */
void handshake_record_end(struct handshake_record *record);
void handshake_record_drop(struct handshake_record *record);

#endif
