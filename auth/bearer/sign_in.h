/*
 * Logins of people at an OpenID provider, by the authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC
 * 7636): where their browsers go, and whom what they bring back names. The loop's side; requests are made by threads.
 * Logs when the provider is away, and when it is back.
 */
#ifndef AUTH_BEARER_SIGN_IN_H
#define AUTH_BEARER_SIGN_IN_H

#include "auth/bearer/issuer.h"
#include "base/buf.h"

#define SIGN_IN_URL_MAXIMUM 8192 /* bytes */

struct sign_in;

/* NULL where console.login has no "oidc". Begins to fetch what the provider says of itself. Logs what is wrong. */
MUST_USE enum status sign_in_create(const struct role_context *role, struct sign_in **out_sign_in);
void sign_in_free(struct sign_in **sign_in); /* NULL-safe; sets to NULL */

/*
 * Appends the address of an authorization request (OpenID Connect Core 1.0, 3.1.2.1). STATUS_UNAVAILABLE: the provider
 * has not been heard of lately; it is asked again in a while.
 */
MUST_USE enum status sign_in_write_url(struct sign_in *sign_in, struct span state, struct span nonce,
				       struct span challenge, struct buf *out_url);

/* What waits for a thread. */
struct sign_in_ask;

/*
 * Whom a code names. `request` is JSON, {"code", "verifier", "nonce", "issuer"}; the last is that of the provider's
 * answer (RFC 9207), empty if it had none. As issuer_ask; `introspected` says that the provider was asked.
 */
void sign_in_ask(struct sign_in *sign_in, struct span request, uint64_t owner, bearer_answered answered, void *context,
		 struct sign_in_ask **out_ask);
/* It is not answered any more. NULL-safe; sets to NULL. */
void sign_in_forget(struct sign_in_ask **ask);

#endif
