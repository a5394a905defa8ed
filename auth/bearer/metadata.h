/* What an OpenID provider says of itself (OpenID Connect Discovery 1.0, 3), as far as a login needs it. Pure. */
#ifndef AUTH_BEARER_METADATA_H
#define AUTH_BEARER_METADATA_H

#include <jansson.h>

#include "base/span.h"
#include "base/status.h"

#define METADATA_URL_SIZE 2048 /* bytes, the NUL included */

struct metadata {
	char authorize_url[METADATA_URL_SIZE], token_url[METADATA_URL_SIZE];
	bool names_issuer; /* its answers name their issuer, and one that doesn't is none of its (RFC 9207, 3) */
	/* How a client's secret may be sent with a request for tokens (RFC 6749, 2.3.1): by HTTP Basic, in its form. */
	bool takes_basic_secret, takes_posted_secret;
};

/* An address of https:// that a browser may be sent to, without a fragment, and shorter than METADATA_URL_SIZE. */
bool metadata_is_url(const char *url);
/*
 * `document` is of the right issuer already. STATUS_INVALID: nobody can log in there; *out_reason, static, says why.
 */
MUST_USE enum status metadata_read(const json_t *document, struct metadata *out_metadata, const char **out_reason);

#endif
