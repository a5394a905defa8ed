/*
 * Memory that a gate and the relay share, beside their door, for the bytes of large messages: through the socket each
 * would be copied twice by the kernel. The gate puts pieces into it, one after the other and round and round, and tells
 * by the door where each one is; the relay takes each out in that order.
 *
 * The gate is not trusted. What the relay uses is its own copy, which the gate can't change after it was checked; a
 * piece is within the ring, or is refused; and the memory can't be cut off. What a taken-over gate spoils is bytes that
 * are its own to say anyway (promise 2). Each door has a ring of its own, so that no piece is overwritten while a relay
 * that is about to end still has to take it.
 */
#ifndef DOOR_RING_H
#define DOOR_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"

#define RING_SIZE (512U << 10)       /* bytes */
#define RING_PIECE_LEAST (16U << 10) /* bytes: less goes by the door, together with what else there is */
#define RING_PIECE (64U << 10)       /* bytes of a piece, at most */

struct ring_memory;

/* The gate's end; zeroed: there is no ring. */
struct ring_writer {
	struct ring_memory *memory;
	uint64_t head; /* bytes ever put, with those left out at the ring's end */
};

/* The relay's end; zeroed: there is no ring. */
struct ring_reader {
	struct ring_memory *memory;
	char *piece; /* the copy */
};

/* Makes a ring. *out_fd is for the gate, and is the caller's. STATUS_NO_MEMORY or STATUS_SYSTEM: there is none. */
MUST_USE enum status ring_open(struct ring_reader *reader, int *out_fd);
/*
 * Takes out the piece that is said to be there. *out_bytes is valid until the next call. STATUS_INVALID: no piece is
 * like that, or there is no ring.
 */
MUST_USE enum status ring_take(struct ring_reader *reader, uint64_t position, uint64_t size, struct span *out_bytes);
void ring_close(struct ring_reader *reader);

/* Puts the descriptor's memory under the writer, in place of what it had. The descriptor is closed, also on failure. */
MUST_USE enum status ring_join(struct ring_writer *writer, int fd);
/* Puts in a piece of up to RING_PIECE bytes; *out_position tells where. False: there is no room now, or no ring. */
bool ring_put(struct ring_writer *writer, struct span piece, uint64_t *out_position);
void ring_leave(struct ring_writer *writer);

#endif
