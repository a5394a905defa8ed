/*
 * The users and the group that Subgate runs with: those that are missing are made with the machine's own programs, and
 * taken away again if the set-up comes to nothing.
 */
#ifndef SETUP_ACCOUNTS_H
#define SETUP_ACCOUNTS_H

#include <stdio.h>

#include "base/status.h"

#define ACCOUNTS_MADE 8 /* six users, a group, a member */
#define ACCOUNT_SIZE 64 /* bytes of a name, the NUL included */

struct account_made {
	enum account_kind { ACCOUNT_USER, ACCOUNT_GROUP, ACCOUNT_MEMBER } kind;
	char name[ACCOUNT_SIZE];
	char group[ACCOUNT_SIZE]; /* of a member */
};

/* Zeroed at first. */
struct accounts {
	FILE *out, *errors;
	struct account_made made[ACCOUNTS_MADE];
	unsigned count;
};

/* NULL: it can be the name of a user or a group. */
const char *account_name_fault(const char *name);
/* The users of all roles; `prefix` as in the option `user`. */
MUST_USE enum status accounts_make_users(struct accounts *accounts, const char *prefix);
MUST_USE enum status accounts_make_group(struct accounts *accounts, const char *group);
/* STATUS_NOT_FOUND: there is no such user. */
MUST_USE enum status accounts_add_member(struct accounts *accounts, const char *user, const char *group);
void accounts_keep(struct accounts *accounts);
/* Takes away what was made. Safe after accounts_keep, and on an empty one. */
void accounts_undo(struct accounts *accounts);

#endif
