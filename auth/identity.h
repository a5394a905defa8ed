/*
 * Who somebody is, as a back end found out: the canonical name, the groups and
 * the addresses they may send from. Lists are kept as doors carry them.
 */
#ifndef AUTH_IDENTITY_H
#define AUTH_IDENTITY_H

#include "auth/name.h"
#include "base/buf.h"
#include "config/config.h"
#include "door/codec.h"

#define IDENTITY_LIST_MAXIMUM 65536 /* bytes a list: 600 groups of 100 bytes; surplus ones are left out */

struct identity {
	char user[NAME_SIZE];
	struct buf groups;  /* a codec list */
	struct buf senders; /* a codec list */
	bool disabled;      /* known, and not allowed in */
};

void identity_init(struct identity *identity);
void identity_free(struct identity *identity); /* leaves it initialized and empty */
/* Into an initialized one, which loses what it held. */
MUST_USE enum status identity_copy(const struct identity *from, struct identity *out_copy);
/* A user whom no directory describes: no groups, and their own name as sender if it is an address. */
MUST_USE enum status identity_of_name(const char *name, struct identity *out_identity);
/* Adds the addresses of the `senders` sections that name this user or one of their groups. */
MUST_USE enum status identity_lend_senders(const struct config *config, struct identity *identity);
/* Adds to a list. STATUS_TOO_LARGE: left out, the list stays whole. */
MUST_USE enum status identity_add(struct buf *list, struct span item);

#define IDENTITY_AUTO __attribute__((cleanup(identity_free)))

#endif
