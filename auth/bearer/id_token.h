/*
 * An ID token (OpenID Connect Core 1.0, 2), as far as it is more than a token of its issuer's: it must answer this
 * login. Pure. Signature, issuer, audience and end are looked at as those of other tokens (keys.h, claims.h).
 */
#ifndef AUTH_BEARER_ID_TOKEN_H
#define AUTH_BEARER_ID_TOKEN_H

#include "auth/bearer/token.h"
#include "base/status.h"
#include "config/config.h"

/* Returns why it is none of this login's (3.1.3.7), static; NULL: it is. `nonce` is what was sent along, not empty. */
const char *id_token_judge(const struct bearer_token *token, const struct config_oidc *config, struct span nonce,
			   uint64_t now_s);

#endif
