/*
 * Calls that wait for their receiver, in a small state file that outlives this process: a line each, which begins with
 * what became of it ("W1 " waits, "D1 " is done) and goes on with the call's body. The relay processes of a node share
 * it. Blocks: for threads. No longer than a second for another process that changes the file, though: then it is
 * STATUS_AGAIN, and nothing was done.
 */
#ifndef EXPORT_WEBHOOK_SPOOL_H
#define EXPORT_WEBHOOK_SPOOL_H

#include "base/buf.h"

#define WEBHOOK_SPOOL_MAXIMUM (1U << 20) /* bytes of calls that wait; more push the oldest out */
#define WEBHOOK_BODY_MAXIMUM (64U << 10) /* bytes of one */

/* `fd` is its owner's. Don't close any other descriptor of the file: the locks would go with it. */
struct webhook_spool {
	int fd;
	bool is_held;
};

/* True: this process makes the calls from now on, and is the only one. */
bool webhook_spool_hold(struct webhook_spool *spool);
void webhook_spool_release(struct webhook_spool *spool);
/*
 * Adds a call at the end. *out_dropped: of those that waited so many were pushed out. STATUS_INVALID: the body holds a
 * line's end, or is too long. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status webhook_spool_add(struct webhook_spool *spool, struct span body, size_t *out_dropped);
/*
 * The first that waits is appended to `out_body`; where a process died amid a write, that is only the beginning of one.
 * STATUS_END: none does. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status webhook_spool_first(struct webhook_spool *spool, struct buf *out_body);
/* This one needs no further call; with the last one the file is emptied. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status webhook_spool_done(struct webhook_spool *spool, struct span body);
/* This one waits after all others; as webhook_spool_add. A process that dies meanwhile leaves it there twice. */
MUST_USE enum status webhook_spool_postpone(struct webhook_spool *spool, struct span body, size_t *out_dropped);

#endif
