/*
 * Sees to it that the console's sessions outlive an admin process: the file "sessions" in its folder, which a thread
 * reads and replaces. What is begun, used and ended here goes there, and what another generation's admin begins and
 * ends is taken from there, within seconds. A session that was ended does not come back, whatever the disk does, as
 * long as this process lives; without a disk sessions live as long as it, too.
 */
#ifndef ADMIN_PEOPLE_KEEPER_H
#define ADMIN_PEOPLE_KEEPER_H

#include "admin/people.h"
#include "net/jobs.h"

struct people_keeper;

/*
 * Reads the file at once, before the loop runs. All but `config` are borrowed, and `people` must outlive it; each
 * session gets the role that `config` gives its user now.
 */
MUST_USE enum status people_keeper_create(struct loop *loop, struct jobs *disk, int folder,
					  const struct config_console *config, struct people *people,
					  struct people_keeper **out_keeper);
/* After its threads. `writes`: what the file does not say yet goes there at once. NULL-safe; sets to NULL. */
void people_keeper_free(struct people_keeper **keeper, bool writes);

#endif
