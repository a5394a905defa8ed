/* The auth role's state, for the files of this room. Everything lives from start to stop, on the loop's thread. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/chain.h"
#include "auth/oauth/consent.h"
#include "auth/oauth/tokens.h"
#include "auth/vault.h"
#include "base/map.h"
#include "door/messages.h"
#include "role/role.h"

struct gate_door_handler;
struct relay_door_handler;

struct auth {
	const struct role_context *role;
	struct secret key;                /* of keyed hashes: caches and throttle */
	struct app_password_store *store; /* NULL: no app passwords here */
	struct jobs *disk;                /* one thread: changes reach the file in order */
	struct directory **directories;
	size_t directory_count;
	struct cache *logins;
	struct cache *entries;
	struct throttle *throttle;
	struct vault *vault;
	struct tokens *tokens;
	struct consent consent; /* of an administrator, to a relay's tokens */
	struct chain chain;

	const struct gate_door_handler *gate_handler;
	const struct relay_door_handler *relay_handler;
	struct gate_door *gates;   /* a list */
	struct door *relay;        /* NULL: none now */
	uint32_t relay_instance;   /* of the process at its other end */
	struct map granting;       /* exchanges that wait for GRANTED, by number */
	uint64_t last_grant;       /* the number of the last GRANT; a new process begins anew, as does its door */
	struct door *admin;        /* NULL: none now */
	uint64_t admin_generation; /* counts doors to admin, so that no answer reaches the wrong one */

	size_t changes; /* of app passwords, on their way to the disk */

	struct timer *drain_timer;
	bool draining;
};

#endif
