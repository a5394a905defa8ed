/* Where log lines end up: on stderr as they are, in syslog, or in a file with a timestamp. Never waits for a reader. */
#ifndef SUPERVISE_LOG_TARGET_H
#define SUPERVISE_LOG_TARGET_H

#include "base/span.h"
#include "config/config.h"

struct log_target;

/* STATUS_SYSTEM: the file can't be opened (errno). A relative path is relative to state_dir. */
MUST_USE enum status log_target_open(const struct config *config, struct log_target **out_target);
/* One line, "LEVEL WHO: text", given without its line end, is written with the next ones, or by log_target_flush. */
void log_target_put(struct log_target *target, struct span line);
/* Writes what was put. Returns how many lines the target could not take since the last call: they are lost. */
uint64_t log_target_flush(struct log_target *target);
void log_target_free(struct log_target **target); /* NULL-safe; sets to NULL */

#endif
