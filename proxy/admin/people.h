/*
 * Who is logged in at the console: sessions, each known by a random token of which only a digest is kept. They end by
 * age, by silence, when their right ends, and when their user opens too many.
 */
#ifndef ADMIN_PEOPLE_H
#define ADMIN_PEOPLE_H

#include "admin/access.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/name.h"
#include "base/pace.h"
#include "base/secret.h"

#define PEOPLE_MAXIMUM 4096  /* sessions */
#define PEOPLE_OF_A_USER 16U /* of one; a new one ends the oldest */
#define PEOPLE_TOKEN_ENTROPY 32
#define PEOPLE_TOKEN_SIZE 64 /* hexadecimal digits */
#define PEOPLE_PROOF_SIZE 64 /* the same */
#define PEOPLE_ID_SIZE 256   /* bytes of an id, the NUL included */
/* Bytes of a codec list of groups; who is in more of those that the configuration names has no session that is kept. */
#define PEOPLE_GROUPS_SIZE 2048

/* Invariant: in the list and the map of its people from begin to end. */
struct person {
	struct person *next;
	struct map_link by_digest;
	unsigned char digest[HASH_SHA256_SIZE]; /* of the token */
	char user[NAME_SIZE], user_id[PEOPLE_ID_SIZE], login[NAME_SIZE];
	char app_password_id[16];
	uint64_t rights;
	enum access_role role;
	uint64_t begun_ms, used_ms;      /* of the monotonic clock */
	struct pace asks;                /* requests */
	uint64_t asked_ms;               /* when a directory last confirmed it; 0: not in this process */
	char groups[PEOPLE_GROUPS_SIZE]; /* a codec list of those that the configuration names */
	size_t groups_size;
	bool is_fleeting; /* it does not outlive this process */
	bool is_dirty;    /* begun or used, and the file does not say so yet */
	bool is_kept;     /* it was seen in the file */
};

/* Zeroed but for the limits it is empty. */
struct people {
	uint64_t session_limit_ms, idle_limit_ms;
	struct person *first; /* the one that was begun, or read, last */
	size_t count;
	struct map by_digest; /* so that thousands are found at once */
	/* Somebody ended one: not the clock, nor people_end_all. May be NULL. */
	void (*on_end)(void *context, const struct person *person);
	void *context;
};

/*
 * A session of this person, of whom all but digest and times is filled in; the token is for their browser alone.
 * STATUS_UNAVAILABLE: there are too many. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status people_begin(struct people *people, const struct person *like, uint64_t now_ms,
				  struct secret *out_token);
/* One that was begun in another process: as it is, unless it is there already, or over. STATUS_NO_MEMORY. */
MUST_USE enum status people_put(struct people *people, const struct person *person, uint64_t now_ms);
/* NULL: there is no such session, or it is over. One that is found counts as used. */
struct person *people_find(struct people *people, struct span token, uint64_t now_ms);
/* The same, but it does not count as used. */
struct person *people_look_up(struct people *people, struct span token, uint64_t now_ms);
/* The same by the digest, for whoever has found it before; that is no use. */
struct person *people_find_digest(struct people *people, const unsigned char *digest, uint64_t now_ms);
void people_end(struct people *people, struct person *person);
void people_end_all(struct people *people);
/* When it ends whatever happens: milliseconds from now. */
uint64_t people_left_ms(const struct people *people, const struct person *person, uint64_t now_ms);
/* What a change needs besides the cookie: made from the token, so that only who sees it can know it. */
MUST_USE enum status people_make_proof(struct span token, char out_proof[PEOPLE_PROOF_SIZE + 1]);

#endif
