/* Where log lines end up: on stderr as they are, in syslog, or in a file with a timestamp. Never waits for a reader. */
#ifndef SUPERVISE_LOG_TARGET_H
#define SUPERVISE_LOG_TARGET_H

#include "base/span.h"
#include "config/config.h"

struct log_target;

/* STATUS_SYSTEM: the file can't be opened (errno). A relative path is relative to state_dir. */
MUST_USE enum status log_target_open(const struct config *config, struct log_target **out_target);
/* Writes one line, "LEVEL WHO: text", given without its line end. False: the target can't take it, and it is lost. */
bool log_target_write(struct log_target *target, struct span line);
void log_target_free(struct log_target **target); /* NULL-safe; sets to NULL */

#endif
