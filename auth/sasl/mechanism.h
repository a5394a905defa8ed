/*
 * SASL mechanisms (RFC 4422), as rows of a table: a new one is a new file and
 * a new row. A mechanism turns the client's responses into a name and a
 * password; it never judges them. Challenges and responses are plain bytes
 * here: base64 belongs to the exchange.
 */
#ifndef AUTH_SASL_MECHANISM_H
#define AUTH_SASL_MECHANISM_H

#include "base/buf.h"
#include "base/secret.h"
#include "base/span.h"

#define SASL_RESPONSE_MAXIMUM 4096 /* bytes of one response, decoded; names and passwords are far shorter */
#define SASL_CHALLENGE_MAXIMUM 512 /* bytes of one challenge */

enum sasl_result {
	SASL_CHALLENGE, /* send the challenge, wait for the response */
	SASL_COMPLETE,  /* name and password are there */
	SASL_MALFORMED, /* not this mechanism's syntax: 501 5.5.2 */
	SASL_FORBIDDEN, /* understood, but not allowed to anyone, such as to act for another user: 535 */
	SASL_OUT_OF_MEMORY,
};

/* One exchange of one client. Zeroed at first. */
struct sasl_state {
	unsigned step;      /* responses taken so far */
	struct secret name; /* as the client gave it: not an identity, and some type their password here */
	struct secret password;
};

struct sasl_mechanism {
	const char *name; /* upper case, as EHLO shows it */
	/* `response` is NULL at the start of an AUTH without initial response. */
	enum sasl_result (*advance)(struct sasl_state *state, const struct span *response, struct buf *challenge);
};

extern const struct sasl_mechanism sasl_plain;
extern const struct sasl_mechanism sasl_login;

/* By name, in any case; NULL: there is none. */
const struct sasl_mechanism *sasl_find(struct span name);
void sasl_state_wipe(struct sasl_state *state);

#endif
