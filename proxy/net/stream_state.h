/* A stream as its two halves know it: stream.c answers the owner, stream_turn.c the loop; both end in stream_drop.c. */
#ifndef NET_STREAM_STATE_H
#define NET_STREAM_STATE_H

#include "net/channel.h"
#include "net/stream.h"

enum stream_phase {
	PHASE_CONNECTING,
	PHASE_OPEN,
	PHASE_CLEARING,  /* writes what was queued before the handshake */
	PHASE_SHAKING,   /* in the TLS handshake */
	PHASE_FAILING,   /* failed inside a call of the owner, who hears of it at the turn's end */
	PHASE_FAILED,    /* the owner knows */
	PHASE_CLOSING,   /* finished by the owner; the rest of the output goes out */
	PHASE_LINGERING, /* all is sent; waits for the peer's end, or the limit */
};

struct stream {
	struct loop *loop;
	struct channel channel;
	struct watch *watch;
	struct timer *deadline; /* made when first set */
	struct turn_end end;
	struct loop_guest guest; /* once its owner has finished it */
	struct stream_options options;
	struct buf input;
	struct buf output;
	uint64_t turn;     /* the loop's, in which it last did something */
	size_t clear_left; /* bytes of output that go out before TLS; 0 but in PHASE_CLEARING */
	enum stream_phase phase;
	bool paused;
	bool ended;      /* the peer's side */
	bool takes_much; /* the last read brought all that it asked for: no line, but a message */
	bool dry;        /* the last read would have blocked, and the descriptor has not been ready since */
	bool stuck;      /* the last read had to write first (TLS), and the descriptor has not been writable since */
	bool blocked_on_read;  /* an operation other than input waits for the descriptor to be readable */
	bool blocked_on_write; /* an operation waits for it to be writable */
	bool tell_drained;
	bool calling; /* inside the owner's callback */
	bool freed;   /* by the owner, while calling */
};

/* What the loop calls; `context` is the stream. */
void stream_on_ready(void *context, unsigned events);
void stream_on_deadline(void *context);
void stream_on_turn_end(void *context);

/*
 * Writes from a large piece, without a copy, what the channel takes of it now, and cuts that off its front. A fault is
 * told at the turn's end, where the rest is tried.
 */
void stream_write_through(struct stream *stream, struct span *bytes);

/* Lets go of everything and of the memory, as soon as no callback is running. */
void stream_drop(struct stream *stream);

#endif
