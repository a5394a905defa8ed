/*
 * The back ends, asked in the order of the config, until one has a verdict.
 * Before and after them: the throttle. A back end answers at once or later;
 * nothing here waits.
 */
#ifndef AUTH_CHAIN_H
#define AUTH_CHAIN_H

#include "auth/app_password/store.h"
#include "auth/cache.h"
#include "auth/identity.h"
#include "auth/ldap/directory.h"
#include "auth/throttle.h"
#include "auth/verdict.h"
#include "config/config.h"
#include "net/loop.h"

#define CHAIN_BACKENDS 2 /* rows of the table in chain.c */

/* What back ends work with; all of it lives longer than the chain. */
struct chain_parts {
	struct loop *loop;
	const struct config *config;
	const struct secret *key;         /* of keyed hashes */
	struct app_password_store *store; /* NULL: none */
	struct directory **directories;
	size_t directory_count;
	struct cache *logins;  /* successful LDAP logins, by name and password */
	struct cache *entries; /* directory entries, by name */
	struct throttle *throttle;
};

struct backend;

struct chain {
	struct chain_parts parts;
	const struct backend *backends[CHAIN_BACKENDS];
	size_t backend_count;
};

/* What a client claims. */
struct credentials {
	char name[NAME_SIZE]; /* canonical */
	struct secret password;
	char address[NETWORK_TEXT_SIZE]; /* the client's */
	uint32_t gate;                   /* whose client it is: its instance */
};

/* What became of it. */
struct decision {
	enum verdict verdict; /* never VERDICT_NONE */
	enum stats_method method;
	const char *reason; /* static; "" where granted */
	char app_password_id[APP_PASSWORD_ID_SIZE];
	struct identity identity; /* where granted */
};

/* One question to the chain, embedded in its owner. Invariant: `waiting` != NULL iff a directory is being asked. */
struct chain_ask {
	struct chain *chain;
	const struct credentials *credentials;
	void (*on_decided)(void *context);
	void *context;
	size_t backend;   /* being asked */
	size_t directory; /* being asked */
	/* Whose password it would be, and who guesses count against: the name given, until a directory knows better. */
	char user[NAME_SIZE];
	unsigned renamed; /* how often it knew better */
	struct directory_ask *waiting;
	bool address_blocked;
	struct decision decision;
};

/* STATUS_INVALID: the config names a back end that there is not. */
MUST_USE enum status chain_init(struct chain *chain, const struct chain_parts *parts);

/*
 * Asks. `on_decided` is called once, maybe before this returns, unless
 * forgotten before: then ask->decision holds. `credentials` must live as long.
 */
void chain_begin(struct chain *chain, struct chain_ask *ask, const struct credentials *credentials,
		 void (*on_decided)(void *context), void *context);
void chain_end(struct chain_ask *ask); /* frees what the ask holds; safe on a zeroed one, and twice */

#endif
