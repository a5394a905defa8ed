/*
 * A door: a local stream socket between two roles. Frames are a 32-bit
 * payload length, a 16-bit type and the payload, in the machine's byte order.
 * What is sent in one turn of the loop goes out in one write at its end.
 *
 * Payloads are the messages declared in the .def files of this folder, read by
 * bounded readers that reject leftovers. A peer that breaks the framing or
 * sends what can't be read loses its door: `on_closed` follows.
 */
#ifndef DOOR_DOOR_H
#define DOOR_DOOR_H

#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "net/loop.h"

#define DOOR_FRAME_MAXIMUM (1U << 20)   /* bytes of payload: an envelope of 1,000 long recipients fits */
#define DOOR_BACKLOG_MAXIMUM (8U << 20) /* bytes unsent, beyond which a door is broken: pace by door_backlog() */
#define DOOR_PACE (256U << 10)          /* bytes unsent, from which a sender of bulk waits for on_drained */

struct door;

struct door_handler {
	/* One frame; the payload is valid during the call. STATUS_OK, or the door is closed as broken. */
	enum status (*on_frame)(void *context, struct door *door, uint16_t type, struct span payload);
	/* The backlog fell below DOOR_PACE after it was above. May be NULL. */
	void (*on_drained)(void *context, struct door *door);
	/* The peer is gone, or the door broke. Called once; the door is still valid and wants door_free. */
	void (*on_closed)(void *context, struct door *door);
};

/* Takes a connected, non-blocking socket (closed on failure too). `handler` is static. */
MUST_USE enum status door_create(struct loop *loop, int fd, const struct door_handler *handler, void *context,
				 struct door **out_door);
void door_free(struct door **door); /* NULL-safe; sets to NULL; allowed inside its callbacks */

/* Queues one frame of a type below 0x8000. STATUS_TOO_LARGE or STATUS_NO_MEMORY: the door is broken, on_closed follows at the turn's end. STATUS_UNAVAILABLE: it was. */
MUST_USE enum status door_send_frame(struct door *door, uint16_t type, struct span payload);
/* For messages.h: where the next payload is written, empty, and sends it, unless it could not be written: then the door is broken too. */
struct buf *door_payload(struct door *door);
MUST_USE enum status door_send_payload(struct door *door, uint16_t type, enum status written);
size_t door_backlog(const struct door *door);

/* A descriptor travels with the next frame sent; the door owns and closes it. Only the supervisor's door passes descriptors. */
void door_attach_fd(struct door *door, int fd);
/* The descriptor that came with the frame being handled, or -1. Taking it makes the caller its owner; one not taken is closed. */
int door_take_fd(struct door *door);

#endif
