/* Getting tokens, waiting: for threads. Every answer is filled in, whatever happens. */
#ifndef AUTH_OAUTH_FETCH_H
#define AUTH_OAUTH_FETCH_H

#include "auth/oauth/answer.h"
#include "auth/oauth/client.h"

/*
 * One access token by the section's own grant, for the mailbox `subject`. `unsaved` is a refresh token that is newer
 * than the file, or empty; a new one is saved, and is left in the answer only where that failed.
 */
void oauth_fetch(const struct oauth_client *client, const char *subject, struct span unsaved,
		 struct token_answer *out_answer);

/* ---- an administrator's consent; whichever comes with a refresh token saves it, or is REFUSED */

/* What the device flow begins with (RFC 8628, 3.2). */
void oauth_begin_device(const struct oauth_client *client, struct device_answer *out_answer);
/* Has it been consented to? error "authorization_pending" and "slow_down": not yet. */
void oauth_poll_device(const struct oauth_client *client, struct span device_code, struct token_answer *out_answer);

struct oauth_consent {
	struct span code;
	struct span verifier; /* RFC 7636 */
	const char *redirect_uri;
};
/* The code that the consent page gave (RFC 6749, 4.1.3). */
void oauth_redeem_code(const struct oauth_client *client, const struct oauth_consent *consent,
		       struct token_answer *out_answer);

#endif
