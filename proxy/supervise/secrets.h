/* The secrets of a config. The supervisor reads each once, and seals it for the roles that need it and no others. */
#ifndef SUPERVISE_SECRETS_H
#define SUPERVISE_SECRETS_H

#include <stdio.h>

#include "config/config.h"
#include "role/handover.h"

/*
 * Reads certificates, keys, passwords and CA files, and adds them to `list` under the names of role/role.h. Each file
 * that is missing, or that others can read, is a line in `faults`.
 */
MUST_USE enum status secrets_open(const struct config *config, FILE *faults, struct handover *list);

#endif
