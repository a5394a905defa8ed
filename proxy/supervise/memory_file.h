/* Bytes in a descriptor that nobody can change any more. Config and secrets reach the roles this way. */
#ifndef SUPERVISE_MEMORY_FILE_H
#define SUPERVISE_MEMORY_FILE_H

#include "base/span.h"

/* A sealed memfd, close-on-exec. `label` shows in /proc only. STATUS_SYSTEM: errno. */
MUST_USE enum status memory_file_seal(const char *label, struct span bytes, int *out_fd);

#endif
