/*
 * A JWT (RFC 7519) in its compact form: read, and not yet believed. What a client sends is hostile: sizes are bounded,
 * a name that is there twice makes it none, and what we don't know how to honour (crit, cnf) too.
 */
#ifndef AUTH_BEARER_TOKEN_H
#define AUTH_BEARER_TOKEN_H

#include <jansson.h>

#include "base/span.h"

#define BEARER_TOKEN_MAXIMUM 16384 /* bytes: a line of AUTH holds less, an ID token may list hundreds of groups */

struct bearer_token {
	struct span text; /* the caller's */
	json_t *header, *claims;
	/* Of the header and the claims; NULL: none. */
	const char *algorithm, *key_id, *issuer;
};

/* Whether it looks like one: three parts, and nothing else. Others may be of another kind. */
bool bearer_token_is_jwt(struct span text);
/* STATUS_INVALID: it can't be read, or asks for more than we know. */
MUST_USE enum status bearer_token_read(struct span text, struct bearer_token *out_token);
void bearer_token_free(struct bearer_token *token); /* safe on a zeroed one */
#define BEARER_TOKEN_AUTO __attribute__((cleanup(bearer_token_free)))

#endif
