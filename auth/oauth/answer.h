/*
 * What a token endpoint answers (RFC 6749, 5; RFC 8628, 3.2 and 3.5): a
 * stranger's JSON, read with bounds. Its words reach the log masked.
 */
#ifndef AUTH_OAUTH_ANSWER_H
#define AUTH_OAUTH_ANSWER_H

#include <stdint.h>

#include "base/secret.h"
#include "base/span.h"

#define ANSWER_TOKEN_MAXIMUM 8704 /* bytes: with a user's name the longest that a line of AUTH takes */
#define ANSWER_WORD_SIZE 64       /* bytes of an error's code, the NUL included */
#define ANSWER_REASON_SIZE 384    /* bytes, the NUL included */
#define ANSWER_URI_SIZE 256       /* bytes, the NUL included */

enum answer_result {
	ANSWER_FAILED,  /* not reached, not understood, or not able to answer now */
	ANSWER_REFUSED, /* it says no, and would say no again */
	ANSWER_GIVEN,
};

struct token_answer {
	enum answer_result result;
	struct secret access;
	struct secret refresh;           /* empty: none came */
	uint64_t lifetime_s;             /* of the access token */
	char error[ANSWER_WORD_SIZE];    /* "invalid_grant"; "": it gave none */
	char reason[ANSWER_REASON_SIZE]; /* for the log, unless GIVEN */
};

struct device_answer {
	enum answer_result result;
	struct secret device_code;
	char user_code[ANSWER_WORD_SIZE];
	char uri[ANSWER_URI_SIZE];
	uint64_t interval_s, lifetime_s;
	char reason[ANSWER_REASON_SIZE];
};

/* The request's own secrets, which no reason may quote. */
struct answer_secrets {
	const struct span *items;
	size_t count;
};

void token_answer_read(long http_status, struct span body, struct answer_secrets secrets,
		       struct token_answer *out_answer);
void device_answer_read(long http_status, struct span body, struct answer_secrets secrets,
			struct device_answer *out_answer);
void token_answer_wipe(struct token_answer *answer);
void device_answer_wipe(struct device_answer *answer);

#endif
