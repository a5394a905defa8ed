/*
 * The replies of one session, strictly in the order of its commands, even when some wait for the relay. Whatever comes
 * after a waiting reply waits too; with none waiting, it goes straight to the stream and the queue holds no memory.
 */
#ifndef GATE_REPLIES_H
#define GATE_REPLIES_H

#include <stddef.h>

#include "base/span.h"

struct stream;
struct reply_slot;

/* Invariant: it is empty, or its first slot is one that waits. */
struct replies {
	struct stream *stream; /* NULL: the client is gone, replies are dropped */
	struct reply_slot *first;
	struct reply_slot *last;
	size_t count;   /* slots */
	size_t waiting; /* of them without text yet */
};

void replies_init(struct replies *replies, struct stream *stream);
void replies_free(struct replies *replies);

/*
 * All take replies in our text form (smtp/reply.h) and fail with STATUS_NO_MEMORY or STATUS_TOO_LARGE: the session is
 * then lost.
 */
MUST_USE enum status replies_push(struct replies *replies, struct span text);
/* A reply whose text comes later. */
MUST_USE enum status replies_push_waiting(struct replies *replies);
/* The text of the first that waits (one must); sends it and all after it that are ready. */
MUST_USE enum status replies_fill(struct replies *replies, struct span text);
/* The same text for all that wait. */
MUST_USE enum status replies_fill_all(struct replies *replies, struct span text);

#endif
