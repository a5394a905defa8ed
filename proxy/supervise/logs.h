/*
 * The log of all processes: each writes lines into a pipe of its own and never
 * waits; the supervisor forwards them. A line is forwarded under the name of who
 * owns the pipe: what does not begin as its own lines do is marked as foreign.
 *
 * A process that can be taken over has a pace. Beyond it its pipe is read no faster, so that it fills, and whatever
 * more it says is lost where it is said: a flood costs neither our time nor the disk.
 */
#ifndef SUPERVISE_LOGS_H
#define SUPERVISE_LOGS_H

#include "base/log.h"
#include "base/pace.h"
#include "net/loop.h"
#include "supervise/log_target.h"

/* Bytes, as in base/log.h; a longer one is forwarded in pieces. */
#define LOGS_LINE_MAXIMUM 2048

struct logs;

/* Takes the target over. */
MUST_USE enum status logs_create(struct loop *loop, struct log_target *target, struct logs **out_logs);
/* Another target from now on: after a reload. */
void logs_set_target(struct logs *logs, struct log_target *target);
/* A pipe for a process called `who` ("gate 1"); the write end is the caller's, non-blocking, close-on-exec. The
 * pipe ends when all its writers are gone. `foreign` is the level of lines that are not in our form. */
MUST_USE enum status logs_open(struct logs *logs, const char *who, enum log_level foreign, int *out_fd);
/* The same, of a process that may say so many bytes. `limit` lives as long as the pipe. */
MUST_USE enum status logs_open_paced(struct logs *logs, const char *who, enum log_level foreign,
				     const struct pace_limit *limit, int *out_fd);
/* Forwards whatever is in the pipes now; of one whose writer goes on meanwhile, no more than a pipe holds. */
void logs_flush(struct logs *logs);
/* Lines that the target did not take. */
uint64_t logs_lost(const struct logs *logs);
void logs_free(struct logs **logs); /* flushes first; NULL-safe; sets to NULL */

#endif
