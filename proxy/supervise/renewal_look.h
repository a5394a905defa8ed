/* The thread's side of renewal.h: waits for a change of the files that it follows, reads and checks them. */
#ifndef SUPERVISE_RENEWAL_LOOK_H
#define SUPERVISE_RENEWAL_LOOK_H

#include <stdbool.h>

#include "config/config.h"
#include "role/handover.h"

/* What is followed, and what is known of it. Made by the loop's thread, used by another. */
struct renewal_files;

/* The files of `config`; `opened` holds what they were read as. STATUS_NO_MEMORY, STATUS_SYSTEM. */
MUST_USE enum status renewal_files_create(const struct config *config, const struct handover *opened,
					  struct renewal_files **out_files);
void renewal_files_free(struct renewal_files **files); /* NULL-safe; sets to NULL */

/*
 * Waits until it is time to look, and looks once; or until `bell`, an eventfd, rings. True: the files hold something
 * else, all of it is right, and out_found has it. Without files (NULL) it only waits.
 */
bool renewal_files_look(struct renewal_files *files, int bell, struct handover *out_found);

#endif
