/* The auth role's state, for the files of this room. Everything lives from start to stop, on the loop's thread. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/certificate/holders.h"
#include "auth/chain.h"
#include "auth/locks.h"
#include "auth/oauth/consent.h"
#include "auth/oauth/tokens.h"
#include "auth/reply_time.h"
#include "auth/uses.h"
#include "auth/vault.h"
#include "base/log_pace.h"
#include "base/map.h"
#include "door/messages.h"
#include "redis/events.h"
#include "role/role.h"

struct gate_door_handler;
struct relay_door_handler;
struct app_password_search;
struct making;
struct recheck;
struct user_command;
struct directory_test;

struct auth {
	const struct role_context *role;
	struct secret key; /* of keyed hashes: caches and guesses */
	struct secret redis_password, sentinel_password;
	struct redis *redis;     /* what nodes share; while it is away, everything goes on from memory */
	struct events *events;   /* rights that end, told and heard */
	struct log_pace unheard; /* lines of the log: what the relay can't be asked or told, once for each login */
	struct locks *locks;
	struct app_password_store *store; /* NULL: no app passwords here */
	struct uses *uses;                /* the last ones of app passwords */
	struct directory **directories;
	size_t directory_count;
	struct cache *logins;
	struct cache *entries;
	struct guesses *guesses;
	struct last_words *last_words;
	struct vault *vault;
	struct bearers *bearers;    /* issuers of users' tokens */
	struct cache *tokens_known; /* what these said of tokens */
	struct sign_in *sign_in;    /* at the console's provider; NULL: nobody logs in there */
	struct holders *holders;    /* of client certificates */
	struct tokens *tokens;
	struct consent consent; /* of an administrator, to a relay's tokens */
	struct chain chain;
	struct reply_time reply_time;
	struct reply_time salt_time; /* of the look-ups before a salt is told */

	const struct gate_door_handler *gate_handler;
	const struct relay_door_handler *relay_handler;
	struct gate_door *gates;   /* a list */
	struct door *relay;        /* NULL: none now */
	uint32_t relay_instance;   /* of the process at its other end */
	struct map granting;       /* exchanges that wait for GRANTED, by number */
	uint64_t last_grant;       /* the number of the last GRANT; a new process begins anew, as does its door */
	struct door *admin;        /* NULL: none now */
	struct gate_door *console; /* logins of the console, by the door to admin; as long as that */
	uint64_t admin_generation; /* counts doors to admin, so that no answer reaches the wrong one */

	struct making *makings;               /* app passwords that are being made: a list */
	struct app_password_search *searches; /* for commands about them: a list */

	struct directory_test *directory_test; /* of an administrator, under way, or NULL */
	struct recheck *rechecks;              /* of sessions that run, under way: a list */
	uint64_t last_asked;                /* the number of the last question to the relay about a user's sessions */
	struct user_command *user_commands; /* of administrators, under way: a list */

	struct timer *drain_timer;
	bool draining;
};

#endif
