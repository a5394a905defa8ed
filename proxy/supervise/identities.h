/* The users that the node's processes run as, and the group that may use the control socket. */
#ifndef SUPERVISE_IDENTITIES_H
#define SUPERVISE_IDENTITIES_H

#include <stdio.h>

#include "config/config.h"
#include "role/privileges.h"
#include "role/role.h"

struct identities {
	struct identity role[ROLE_KINDS]; /* the supervisor itself never changes */
	struct identity redis;            /* of the embedded server: the plain `user` */
	gid_t admin_group;                /* of the control socket; (gid_t)-1: as it is */
	gid_t operator_group;             /* who may use it for some commands; (gid_t)-1: nobody else */
};

/*
 * Looks the users and the group up when run as root. STATUS_NOT_FOUND, with a fault for each missing one that says how
 * to make it.
 */
MUST_USE enum status identities_find(const struct config *config, FILE *faults, struct identities *out_identities);

#endif
