/*
 * A person's identity, as a back end found it: their id, the canonical name, groups and the addresses they may send
 * from. Lists are kept as doors carry them.
 *
 * The id is the person, whatever they are called: what belongs to somebody (app passwords, locks, sessions) belongs to
 * it. "SECTION:VALUE" for an entry of a directory (the ldap section, the entry's own immutable id), "name:NAME" where
 * no directory describes the user, "service:NAME" for a printer or a program without an entry.
 */
#ifndef AUTH_IDENTITY_H
#define AUTH_IDENTITY_H

#include "base/buf.h"
#include "base/name.h"
#include "config/config.h"
#include "door/codec.h"

#define IDENTITY_LIST_MAXIMUM 524288 /* bytes a list: 5,000 groups of 100 bytes */

#define IDENTITY_ID_MAXIMUM 128                    /* bytes */
#define IDENTITY_ID_SIZE (IDENTITY_ID_MAXIMUM + 1) /* bytes, the NUL included */

#define IDENTITY_LANGUAGES_SIZE 64 /* bytes, the NUL included */

/* Whether somebody who is known may come in. */
enum standing {
	STANDING_GOOD,
	STANDING_DISABLED,
	STANDING_LOCKED, /* by an administrator */
	STANDING_EXPIRED,
	STANDING_MUST_CHANGE, /* their password, first of all */
	STANDING_INVALID,     /* valid_filter does not match */
	STANDING_NAMELESS,    /* no name, or more than one */
};

struct identity {
	char id[IDENTITY_ID_SIZE];
	char user[NAME_SIZE];
	char languages[IDENTITY_LANGUAGES_SIZE]; /* that they prefer, best first: "de-AT, en;q=0.5"; or "" */
	struct buf groups;                       /* a codec list */
	struct buf senders;                      /* a codec list */
	enum standing standing;
};

void identity_init(struct identity *identity);
void identity_free(struct identity *identity); /* leaves it initialized and empty */
/* Why somebody of this standing may not come in, for the audit; static, "" if they may. */
const char *identity_refusal(enum standing standing);
/* Into an initialized one, which loses what it held. */
MUST_USE enum status identity_copy(const struct identity *from, struct identity *out_copy);
/*
 * Their id: "KIND:VALUE". One that is too long becomes "KIND#" and the hexadecimal SHA-256 of both. STATUS_SYSTEM,
 * STATUS_NO_MEMORY, STATUS_INVALID (a NUL in it), STATUS_TOO_LARGE (4096 bytes).
 */
MUST_USE enum status identity_set_id(struct identity *identity, const char *kind, struct span value);
/*
 * A number for what they may do: their name, their addresses, and those of their groups that the configuration names,
 * in whatever order. It changes when one of them does.
 */
uint64_t identity_rights(const struct config *config, const struct identity *identity);
/* A user whom no directory describes: no groups, and their own name as sender if it is an address. */
MUST_USE enum status identity_of_name(const char *name, struct identity *out_identity);
/* Adds the addresses of the `senders` sections that name this user or one of their groups. */
MUST_USE enum status identity_lend_senders(const struct config *config, struct identity *identity);
/* Whether `name` (canonical) is their name or one of their addresses. */
bool identity_answers_to(const struct identity *identity, struct span name);
/* Leaves the groups that the configuration names: the others decide nothing. */
MUST_USE enum status identity_keep_groups_of(const struct config *config, struct identity *identity);
/* Adds to a list. STATUS_TOO_LARGE: left out, the list stays whole. */
MUST_USE enum status identity_add(struct buf *list, struct span item);
/* Adds a group by its canonical name (base/dn.h). STATUS_INVALID: an empty one. STATUS_TOO_LARGE, as above. */
MUST_USE enum status identity_add_group(struct identity *identity, struct span group);
/* As an array for config_names_user: views of the identity, and the array to be freed. STATUS_NO_MEMORY. */
MUST_USE enum status identity_list_groups(const struct identity *identity, struct span **out_groups, size_t *out_count);

#define IDENTITY_AUTO __attribute__((cleanup(identity_free)))

#endif
