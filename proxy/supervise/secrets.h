/* The secrets of a config, each read once by the supervisor and sealed for the roles that need it, and for no other. */
#ifndef SUPERVISE_SECRETS_H
#define SUPERVISE_SECRETS_H

#include <stdio.h>

#include "config/config.h"
#include "role/handover.h"

/*
 * Reads certificate, keys, passwords and CA files; adds them to `list` under
 * the names of role/role.h. Every file that is missing, or that others can read, is a line in `faults`.
 */
MUST_USE enum status secrets_open(const struct config *config, FILE *faults, struct handover *list);

#endif
