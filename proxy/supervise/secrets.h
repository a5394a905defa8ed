/* The secrets of a config. The supervisor reads each once, and seals it for the roles that need it and no others. */
#ifndef SUPERVISE_SECRETS_H
#define SUPERVISE_SECRETS_H

#include <stdio.h>

#include "base/secret.h"
#include "role/handover.h"
#include "supervise/secret_files.h"

/*
 * Reads certificates, keys, passwords and CA files, and adds them to `list` under the names of role/role.h. Each file
 * that is missing, or that others can read, is a line in `faults`.
 */
MUST_USE enum status secrets_open(const struct config *config, FILE *faults, struct handover *list);

/*
 * The same, without a look at any file: what renews comes from `renewed`, all else from `former`, which a config with
 * the same files was opened as. Both stay the caller's.
 */
MUST_USE enum status secrets_inherit(const struct config *config, const struct handover *renewed,
				     const struct handover *former, struct handover *list);

/*
 * Reads one file. Only a regular file is opened, wherever its path leads. STATUS_INVALID, with a line in `faults`, also
 * for one that others can read and should not.
 */
MUST_USE enum status secret_file_read(const struct secret_files *files, const struct secret_file *file, FILE *faults,
				      struct secret *out_secret);

#endif
