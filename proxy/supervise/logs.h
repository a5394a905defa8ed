/*
 * The log of all processes. Each writes lines into a pipe of its own and never waits; the supervisor forwards them
 * under the name of the pipe's owner. A line that does not begin as the owner's own lines do is marked as foreign.
 *
 * A process that can be taken over has a pace. Its pipe is read no faster than that, so a flood fills the pipe and is
 * lost in the process that writes it: it costs neither our time nor the disk.
 */
#ifndef SUPERVISE_LOGS_H
#define SUPERVISE_LOGS_H

#include "base/log.h"
#include "base/pace.h"
#include "net/loop.h"
#include "stats/stats.h"
#include "supervise/log_target.h"

/* Bytes, as in base/log.h; a longer one is forwarded in pieces. */
#define LOGS_LINE_MAXIMUM 2048

struct logs;

/* Takes the target over. `stats` is the supervisor's slab: lines that the target does not take are counted there. */
MUST_USE enum status logs_create(struct loop *loop, struct log_target *target, struct stats *stats,
				 struct logs **out_logs);
/* Takes over another target, from now on: after a reload. */
void logs_set_target(struct logs *logs, struct log_target *target);
/*
 * Opens a pipe for a process called `who` ("gate 1"). The write end is the caller's, non-blocking and close-on-exec.
 * The pipe ends when all its writers are gone. `foreign` is the level of lines that are not in our form.
 */
MUST_USE enum status logs_open(struct logs *logs, const char *who, enum log_level foreign, int *out_fd);
/* The same, for a process that may log only so much. `limit` outlives the pipe. */
MUST_USE enum status logs_open_paced(struct logs *logs, const char *who, enum log_level foreign,
				     const struct pace_limit *limit, int *out_fd);
/* Forwards whatever is in the pipes now, and at most twice what a pipe holds from a process that goes on writing. */
void logs_flush(struct logs *logs);
void logs_free(struct logs **logs); /* flushes first; NULL-safe; sets to NULL */

#endif
