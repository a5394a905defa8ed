/* What a node needs beside its processes, as these see it: for `status`. */
#ifndef SUPERVISE_SURROUNDINGS_H
#define SUPERVISE_SURROUNDINGS_H

#include <jansson.h>

#include "supervise/supervisor.h"

/*
 * A list of "service" ("redis", "directory", "audit_disk"), "name" (a directory's section) and "state": "up", "down";
 * of a directory "refused", if it refuses bind_dn; of a disk "low", "stuck" (the audit can't be written), and its
 * "free_bytes"; "unknown" while the process that knows is not ready. NULL: out of memory.
 */
json_t *surroundings_describe(const struct supervisor *supervisor);
/* What happened in the last "seconds": messages by result, and what was "turned_away"; the sessions now. The same. */
json_t *surroundings_describe_traffic(const struct supervisor *supervisor);

#endif
