/*
 * One try of a password, as it is counted: for whom, with what, from where, through which gate. It holds no password,
 * but a keyed digest of the pair of user and password: a guess is such a pair, however often and from wherever it is
 * tried. Pure.
 */
#ifndef AUTH_GUESSES_CLAIM_H
#define AUTH_GUESSES_CLAIM_H

#include "base/name.h"
#include "base/network.h"
#include "base/secret.h"

struct guess_claim {
	char user[NAME_SIZE];  /* whose password it would be: canonical */
	char typed[NAME_SIZE]; /* as the client wrote it */
	uint64_t pair;         /* keyed digest of user and password */
	uint64_t token;        /* of this one try; 0: it holds no place */
	uint32_t gate;         /* whose client tries */
	bool is_for_user;      /* it counts for the user, and not for the address alone */
	bool is_charged;       /* to the gate's pace of new records */
	char networks[NETWORK_WIDTHS]
		     [NETWORK_TEXT_SIZE]; /* around the address, the narrowest first; "": none so wide */
	char place[NETWORK_TEXT_SIZE];    /* what a login from there makes known */
};

/* What a back end asks for. */
struct guess_try {
	const char *user; /* canonical; who guesses count against */
	const char *typed;
	struct span password;
	struct span address; /* the client's */
	uint32_t gate;       /* its instance */
	/* Whether a directory would get it. Else it counts for the address alone, as it locks nobody's account. */
	bool is_directory_asked;
};

enum guess_answer {
	GUESS_MAY_ASK,         /* a place was taken: it must be settled */
	GUESS_WRONG_AGAIN,     /* this very pair was wrong a short while ago */
	GUESS_PENDING,         /* this very pair is being tried now */
	GUESS_USER_REFUSED,    /* too many wrong passwords of this user */
	GUESS_ADDRESS_REFUSED, /* too many wrong passwords from this address, or from around it */
	GUESS_UNCOUNTED,       /* it can't be counted, and so must not be tried */
};

enum guess_outcome {
	GUESS_RIGHT,
	GUESS_WRONG,
	GUESS_UNKNOWN, /* it was tried, and no answer came */
	GUESS_UNTRIED,
};

/* STATUS_NO_MEMORY, STATUS_SYSTEM, STATUS_TOO_LARGE: it can't be counted. The token is left 0. */
MUST_USE enum status guess_claim_make(const struct secret *key, const struct guess_try *try,
				      struct guess_claim *out_claim);

#endif
