/*
 * The thread of an exporter: reads the audit from where the cursor stands, makes batches of messages of it, and moves
 * the cursor on when the loop says that a batch has arrived. What is not confirmed is read again, from the files: so
 * every record is exported at least once, across restarts, rotations and receivers that are away for days.
 *
 * Of the relay processes of a node one exports, whoever holds the cursor's lock; in the others the thread watches how
 * far that one is.
 */
#ifndef EXPORT_FEED_H
#define EXPORT_FEED_H

#include "base/buf.h"
#include "export/cursor.h"
#include "export/record_line.h"
#include "export/trail.h"
#include "net/loop.h"

/* A message for the receiver: STATUS_NO_MEMORY, STATUS_TOO_LARGE; STATUS_INVALID leaves the record out. */
typedef enum status feed_format(void *context, const struct record_line *line, struct buf *out);

#define FEED_FILES 1024 /* that may be added and not yet taken over by the thread */

struct feed_options {
	struct trail *trail; /* with the files that there are; owned */
	int state_fd;        /* of the cursor; owned */
	feed_format *format;
	void *format_context;
	uint64_t settle_ms;    /* so long after its confirmation may a batch still get lost with its connection */
	struct wakeup *wakeup; /* sent when there is a batch, or feed_find_exported or feed_take_news have news */
};

/* Some records in order: each a 32-bit size and its message. */
struct feed_batch {
	struct buf messages;
	size_t count;
	struct cursor after; /* once it has arrived */
	uint64_t oldest_us;  /* when its first record was written */
};

/* Takes the next message off the front of `messages`. */
bool feed_cut_message(struct span *messages, struct span *out_message);

struct feed;

MUST_USE enum status feed_start(const struct feed_options *options, struct feed **out_feed);
/* The cursor is where the last confirmed batch ended. NULL-safe. */
void feed_stop(struct feed **feed);

/* The next batch, on loan until it is settled; one at a time. NULL: none for now. */
const struct feed_batch *feed_take(struct feed *feed);
/* The audit is written in another file from now on; the descriptor is the feed's. */
void feed_add_file(struct feed *feed, int fd);
/* It has arrived, or it has not: then it, and what may be lost with it, comes again. */
void feed_settle(struct feed *feed, bool has_arrived);
/* The connection was lost with nothing on its way: what arrived less than settle_ms ago comes again. */
void feed_go_back(struct feed *feed);
/* Lose the lock once nothing is on its way: another process exports from now on. */
void feed_release(struct feed *feed);
/* Somebody waits for what was written a moment ago. */
void feed_hurry(struct feed *feed, bool is_wanted);

/* Up to which record this chain is exported, by whichever process. */
uint64_t feed_find_exported(struct feed *feed, struct span chain_id);

/* What happened since the last call. */
struct feed_news {
	bool has_lost;       /* records were lost: their file was deleted or cut before it was exported */
	int trouble;         /* errno of a read or of the cursor; 0: none */
	uint64_t exported;   /* records, by this process */
	uint64_t pending_us; /* how long the oldest record read and not confirmed has waited; 0: none does */
};
struct feed_news feed_take_news(struct feed *feed);

#endif
