/*
 * Who a process is. Started as root with `user` set, each role runs as a user of its own; otherwise all stay the user
 * who started the supervisor.
 */
#ifndef ROLE_PRIVILEGES_H
#define ROLE_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/span.h"
#include "base/status.h"

struct identity {
	bool changes; /* false: stays who it is */
	uid_t uid;
	gid_t gid;
};

/* Bytes of an identity as text, the NUL included. */
#define IDENTITY_TEXT_SIZE 32
/* "UID:GID", or "" for one that stays: how a role is told who it is to be. */
void identity_write(const struct identity *identity, char out_text[IDENTITY_TEXT_SIZE]);
MUST_USE enum status identity_read(struct span text, struct identity *out_identity);

/*
 * Becomes that user for good, without supplementary groups. On STATUS_SYSTEM (errno) the process must end. Safe between
 * fork and exec.
 */
MUST_USE enum status identity_assume(const struct identity *identity);

#endif
