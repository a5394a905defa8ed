/*
 * SASL mechanisms (RFC 4422), as rows of a table: a new one is a new file and
 * a new row. A mechanism turns the client's responses into a name and
 * evidence; it never judges them. Challenges and responses are plain bytes
 * here: base64 belongs to the exchange.
 */
#ifndef AUTH_SASL_MECHANISM_H
#define AUTH_SASL_MECHANISM_H

#include "auth/sasl/scram.h"
#include "base/buf.h"
#include "base/secret.h"
#include "base/span.h"

#define SASL_RESPONSE_MAXIMUM 9216 /* bytes of one response, decoded (RFC 4954, 4); tokens can be as long */
#define SASL_CHALLENGE_MAXIMUM 512 /* bytes of one challenge */

enum sasl_result {
	SASL_CHALLENGE, /* send the challenge, wait for the response */
	SASL_COMPLETE,  /* what the mechanism gives is there */
	SASL_NAMED,     /* a name is there; the next challenge needs the salt of whom it names */
	SASL_MALFORMED, /* not this mechanism's syntax: 501 5.5.2 */
	SASL_FORBIDDEN, /* understood, but nobody honest would say it here: 535 */
	SASL_OUT_OF_MEMORY,
};

/* What a mechanism gives when it is complete. */
enum sasl_evidence {
	SASL_PASSWORD,    /* a name and a password */
	SASL_PROOF,       /* a name, and the proof of a password that was not shown (scram.h) */
	SASL_TOKEN,       /* an access token as the password, and a name to act for, or none */
	SASL_CODE,        /* what a browser brought from a provider (oidc.c), as the password */
	SASL_CERTIFICATE, /* a name to act for, or none; who it is, the TLS handshake has proved */
};

/* One exchange of one client. Zeroed at first. */
struct sasl_state {
	unsigned step;      /* responses taken so far */
	struct secret name; /* as the client gave it: not an identity, and some type their password here */
	struct secret password;
	/* Whom they want to act for (RFC 4422, 2: the authorization identity); empty: nobody. */
	struct secret authority;
	struct scram *scram;            /* its exchange; NULL before it has begun, and for other mechanisms */
	struct scram_bindings bindings; /* what TLS gives to bind to */
	bool has_plus;                  /* the mechanism that binds is offered as well */
};

struct sasl_mechanism {
	const char *name; /* upper case, as EHLO shows it */
	enum sasl_evidence evidence;
	const char *refusal; /* the last challenge to whoever is refused, whose answer does not matter; NULL: none */
	/* `response` is NULL at the start of an AUTH without initial response. */
	enum sasl_result (*advance)(struct sasl_state *state, const struct span *response, struct buf *challenge);
};

extern const struct sasl_mechanism sasl_plain;
extern const struct sasl_mechanism sasl_login;
extern const struct sasl_mechanism sasl_scram_sha_256;
extern const struct sasl_mechanism sasl_scram_sha_256_plus;
extern const struct sasl_mechanism sasl_oauthbearer;
extern const struct sasl_mechanism sasl_xoauth2;
extern const struct sasl_mechanism sasl_external;
extern const struct sasl_mechanism sasl_oidc; /* of the console alone */

/* By name, in any case; NULL: there is none. */
const struct sasl_mechanism *sasl_find(struct span name);
void sasl_state_wipe(struct sasl_state *state);

#endif
