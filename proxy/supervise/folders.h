/*
 * The state and run folders, which are made where missing and locked against a second subgate, and the files and
 * folders in them that roles get as descriptors.
 */
#ifndef SUPERVISE_FOLDERS_H
#define SUPERVISE_FOLDERS_H

#include <stdio.h>

#include "config/config.h"
#include "role/handover.h"
#include "supervise/identities.h"

struct folders {
	int state_lock; /* the embedded Redis holds it too: nobody else may use its files while it lives */
	int run_lock;
};
#define FOLDERS_NONE ((struct folders){ -1, -1 })

/*
 * Makes both folders and takes their locks. Waits up to `limit_ms` for one that is held, as a Redis outlives a killed
 * supervisor for a moment. Faults go to `faults`.
 */
MUST_USE enum status folders_lock(const struct config *config, uint64_t limit_ms, FILE *faults,
				  struct folders *out_folders);
void folders_unlock(struct folders *folders);

/* Opens the files and folders of all roles, makes those that are missing, and adds all to `list`. */
MUST_USE enum status folders_open(const struct config *config, const struct identities *identities, FILE *faults,
				  struct handover *list);

/* Makes a folder where it is missing, sets its mode, and gives it to `owner`. */
MUST_USE enum status folder_make(const char *path, mode_t mode, const struct identity *owner);

#endif
