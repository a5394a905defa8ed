/* What carries batches to a receiver, of either kind (syslog.h, redis_stream.h). On the loop's thread. */
#ifndef EXPORT_SENDER_H
#define EXPORT_SENDER_H

#include "export/feed.h"

#define SENDER_REASON_SIZE 256 /* bytes, the NUL included */

/* What a sender tells; in a later turn than the call that it answers. */
struct sender_handler {
	/* The batch has arrived, as far as the receiver lets us know, or it may not have; asked for one at a time. */
	void (*on_settled)(void *context, bool has_arrived);
	/* The connection was lost between batches: what arrived last may be lost with it. */
	void (*on_lost)(void *context);
	/* The receiver can be reached, or can't (`reason`). */
	void (*on_change)(void *context, bool is_up, const char *reason);
	/* It may send again. */
	void (*on_ready)(void *context);
	void *context;
};

struct sender;

struct sender_kind {
	/* False: not now; on_ready tells when. */
	bool (*may_send)(const struct sender *sender);
	/* Only where it may. The batch is the sender's to read until it is settled. */
	void (*send)(struct sender *sender, const struct feed_batch *batch);
	/* Nothing more is sent: the connection is ended in order. */
	void (*rest)(struct sender *sender);
	void (*free)(struct sender **sender); /* a batch that is not settled never is */
	uint64_t settle_ms;                   /* as in struct feed_options */
};

/* What every sender begins with. */
struct sender {
	const struct sender_kind *kind;
};

#endif
