/*
 * A door: a local stream socket between two roles. A frame is a 32-bit payload length, a 16-bit type and the payload,
 * in the machine's byte order. What is sent in one turn of the loop goes out in one write at its end; only a message
 * that passes through need not wait for that.
 *
 * Payloads are the messages declared in the .def files of this folder, read by bounded readers that reject leftovers. A
 * peer that breaks the framing, or sends what can't be read, loses its door: `on_closed` follows.
 */
#ifndef DOOR_DOOR_H
#define DOOR_DOOR_H

#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "net/loop.h"

/* Bytes of payload: an envelope of 1,000 long recipients fits. */
#define DOOR_FRAME_MAXIMUM (1U << 20)
/* Unsent bytes beyond which a door is broken; door_backlog() tells how many there are. */
#define DOOR_BACKLOG_MAXIMUM (8U << 20)
/* Unsent bytes at which a sender of bulk waits for on_drained. */
#define DOOR_PACE (256U << 10)

struct door;

struct door_handler {
	/* One frame; the payload is valid during the call. STATUS_OK, or the door is closed as broken. */
	enum status (*on_frame)(void *context, struct door *door, uint16_t type, struct span payload);
	/* The backlog fell below DOOR_PACE after it was above. May be NULL. */
	void (*on_drained)(void *context, struct door *door);
	/* The peer is gone, or the door broke. Called once; the door is still valid, and its owner frees it. */
	void (*on_closed)(void *context, struct door *door);
};

/* Takes a connected, non-blocking socket (closed on failure too). `handler` is static. */
MUST_USE enum status door_create(struct loop *loop, int fd, const struct door_handler *handler, void *context,
				 struct door **out_door);
void door_free(struct door **door); /* NULL-safe; sets to NULL; allowed inside its callbacks */

/*
 * For messages.h: door_payload is what the next frame's payload is appended to, and nothing else is done with the door
 * before door_send_payload queues it, as a type below 0x8000. STATUS_TOO_LARGE or STATUS_NO_MEMORY (in `written`, too):
 * the door is broken, and on_closed follows at the end of the turn. STATUS_UNAVAILABLE: it was broken before.
 */
struct buf *door_payload(struct door *door);
MUST_USE enum status door_send_payload(struct door *door, uint16_t type, enum status written);
/* As door_send_payload; `rest` follows what was appended, and as much of it as the socket takes now is not copied. */
MUST_USE enum status door_send_through(struct door *door, uint16_t type, enum status written, struct span rest);
/* Nothing sent or received from now on is secret, so it need not be wiped. */
void door_expect_no_secrets(struct door *door);
size_t door_backlog(const struct door *door);
/* Writes what the socket takes now: for last words, before the door is freed within the turn. */
void door_flush(struct door *door);
/* Handles what has come, without waiting: the last words of a peer that is gone. A callback may free the door. */
void door_receive(struct door *door);

/* The descriptor leaves with the next frame; the door owns and closes it. Only supervisor.def passes descriptors. */
void door_attach_fd(struct door *door, int fd);
/* The descriptor that came with the frame being handled, or -1. The caller owns what it takes; the rest is closed. */
int door_take_fd(struct door *door);

#endif
