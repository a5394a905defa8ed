/* The request that gives an ID token for a code (OpenID Connect Core 1.0, 3.1.3; RFC 7636, 4.5): for threads. */
#ifndef AUTH_BEARER_REDEEM_H
#define AUTH_BEARER_REDEEM_H

#include "auth/bearer/client.h"
#include "auth/bearer/metadata.h"
#include "net/https.h"

struct redeem_request {
	const struct bearer_client *client;
	const struct metadata *metadata;
	const char *redirect_uri;
	struct span code, verifier;
};

/*
 * STATUS_OK: an ID token, not yet believed. STATUS_INVALID: the provider does not take the code. STATUS_UNAVAILABLE:
 * it can't be asked, or has a quarrel with us rather than with the code; out_reason is for the log.
 */
MUST_USE enum status redeem_code(const struct redeem_request *request, struct secret *out_id_token,
				 char out_reason[HTTPS_REASON_SIZE]);

#endif
