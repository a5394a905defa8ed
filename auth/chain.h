/*
 * The back ends, asked in the order of the config, until one has a verdict. Wrong guesses are counted around them
 * (guesses/guesses.h). A back end answers at once or later; nothing here waits.
 */
#ifndef AUTH_CHAIN_H
#define AUTH_CHAIN_H

#include "auth/app_password/store.h"
#include "auth/bearer/bearers.h"
#include "auth/bearer/sign_in.h"
#include "auth/cache.h"
#include "auth/guesses/guesses.h"
#include "auth/identity.h"
#include "auth/last_words.h"
#include "auth/ldap/directory.h"
#include "auth/scope.h"
#include "auth/uses.h"
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
	struct uses *uses;
	struct directory **directories;
	size_t directory_count;
	struct cache *logins;  /* successful LDAP logins, by name and password */
	struct cache *entries; /* directory entries, by name */
	struct guesses *guesses;
	struct last_words *last_words; /* the same, for longer than this process lives */
	struct bearers *bearers;
	struct cache *tokens;    /* what issuers said, by token */
	struct sign_in *sign_in; /* NULL: nobody logs in by OpenID Connect */
};

struct backend;
struct trial;
struct identify_plan;

struct chain {
	struct chain_parts parts;
	const struct backend *backends[CHAIN_BACKENDS];
	size_t backend_count;
	struct trial *trials; /* a list: passwords on their way to a directory */
};

/* What a client claims, and what it proves that with. */
struct credentials {
	enum {
		CREDENTIALS_PASSWORD,    /* the back ends of auth.backends are asked */
		CREDENTIALS_PROOF,       /* the scram proves a password of the name's */
		CREDENTIALS_TOKEN,       /* the password is a token, which names the user */
		CREDENTIALS_CODE,        /* the password is what bearer/sign_in.h asks a provider about */
		CREDENTIALS_CERTIFICATE, /* the name is proved */
	} kind;
	char name[NAME_SIZE];      /* canonical */
	char typed[NAME_SIZE];     /* as the client wrote it */
	char authority[NAME_SIZE]; /* canonical: whom they want to act for; "": nobody */
	struct secret password;
	const struct scram *scram; /* with a proof; the owner's */
	char claimed[NAME_SIZE];   /* with a token: whom the client wants to be, canonical; empty: whom it names */
	char address[NETWORK_TEXT_SIZE]; /* the client's */
	uint32_t gate;                   /* whose client it is: its instance */
	bool for_console;                /* else for sending mail */
};

/* What became of it. */
struct decision {
	enum verdict verdict; /* never VERDICT_NONE */
	enum stats_method method;
	const char *reason; /* static; "" where granted */
	char app_password_id[APP_PASSWORD_ID_SIZE];
	unsigned char server_key[HASH_SHA256_SIZE]; /* of a proof that was right: for ours */
	struct identity identity;                   /* where granted */
	/* identity_rights of what the directory says of them, where a token says more; else 0. */
	uint64_t rights;
	struct scope scope; /* the same */
};

/* One question to the chain, embedded in its owner. */
struct chain_ask {
	struct chain *chain;
	struct credentials *credentials; /* the owner's; a token gives them their name */
	void (*on_decided)(void *context);
	void *context;
	size_t backend;   /* being asked */
	size_t directory; /* being asked */
	/* Whose password it would be, and who guesses count against: the name given, until a directory knows better. */
	char user[NAME_SIZE];
	unsigned renamed; /* how often it knew better */
	struct directory_ask *waiting;
	struct store_waiter store_waiter; /* while the app passwords are read for the first time, or looked at */
	bool has_looked;                  /* store_look: once is enough */
	struct trial *trial;              /* a password on its way */
	struct guess *guess;              /* which counts as this one */
	void (*on_place)(struct chain_ask *ask);
	bool is_guess;                       /* counts for the address if it is wrong */
	bool was_counted;                    /* the guess: it needs no place any more */
	bool was_tried;                      /* a directory has got the password, and maybe no answer came */
	struct last_words_recall *recalling; /* while a directory is away */
	uint64_t token_expires_s;            /* of one that its issuer was just asked about; else 0 */
	struct bearer_ask *bearer;           /* while the issuer of a token is asked */
	struct sign_in_ask *sign_in;         /* while a provider is asked about a code */
	struct identity claims;              /* what the token says of its holder; of a proof, whom the name means */
	void (*on_salt)(void *context, const unsigned char *salt, uint32_t iterations); /* of a proof */
	const char *refusal; /* static: why whom the name means may not come in; of a proof */
	enum {
		IDENTIFIED_NOW,    /* by the directories, or there are none */
		IDENTIFIED_LATELY, /* by what they said a short while ago */
		IDENTIFIED_WHILE_AWAY,
	} identified;
	const struct identify_plan *identify; /* while the directories are asked who the user is (identify.h) */
	struct decision decision;
};

/* STATUS_INVALID: the config names a back end that there is not. */
MUST_USE enum status chain_init(struct chain *chain, const struct chain_parts *parts);
/* After every ask has ended, and before the parts: gives up passwords that are still being tried. */
void chain_stop(struct chain *chain);

/*
 * Asks. `on_decided` is called once, maybe before this returns, unless
 * forgotten before: then ask->decision holds. `credentials` must live as long.
 */
void chain_begin(struct chain *chain, struct chain_ask *ask, struct credentials *credentials,
		 void (*on_decided)(void *context), void *context);
/*
 * The same for a proof, in two steps: first the salt that the client has to be asked with comes, by `on_salt`, once,
 * maybe before this returns; unless it can't be known, and `on_decided` says so. Then the proof is judged.
 */
void chain_begin_proof(struct chain *chain, struct chain_ask *ask, struct credentials *credentials,
		       void (*on_salt)(void *context, const unsigned char *salt, uint32_t iterations),
		       void (*on_decided)(void *context), void *context);
void chain_judge_proof(struct chain_ask *ask);
void chain_end(struct chain_ask *ask); /* frees what the ask holds; safe on a zeroed one, and twice */

#endif
