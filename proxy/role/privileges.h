/*
 * Who the roles are. Started as root with `user` set, each runs as a user of
 * its own; else all stay who started the supervisor.
 */
#ifndef ROLE_PRIVILEGES_H
#define ROLE_PRIVILEGES_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "config/config.h"
#include "role/role.h"

struct identity {
	bool changes; /* false: stays who it is */
	uid_t uid;
	gid_t gid;
};

struct identities {
	struct identity role[ROLE_KINDS]; /* the supervisor itself never changes */
	struct identity redis;            /* of the embedded server: the plain `user` */
	gid_t admin_group;                /* of the control socket; (gid_t)-1: as it is */
};

/* Looks the users and the group up, when root. STATUS_NOT_FOUND, with a fault for each one missing that says how to make it. */
MUST_USE enum status identities_find(const struct config *config, FILE *faults, struct identities *out_identities);

/* "UID:GID", or "" for one that stays: how a role hears who it is to be. */
#define IDENTITY_TEXT_SIZE 32 /* bytes, the NUL included */
void identity_write(const struct identity *identity, char out_text[IDENTITY_TEXT_SIZE]);
MUST_USE enum status identity_read(struct span text, struct identity *out_identity);

/* Becomes that user for good, without supplementary groups. STATUS_SYSTEM: errno; the process must end then. Safe between fork and exec. */
MUST_USE enum status identity_assume(const struct identity *identity);

#endif
