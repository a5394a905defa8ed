/*
 * A Google service account: the JSON file with its key, and the signed JWT
 * (RFC 7523) that it asks for a mailbox's token with.
 */
#ifndef AUTH_OAUTH_SERVICE_ACCOUNT_H
#define AUTH_OAUTH_SERVICE_ACCOUNT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"

#define ACCOUNT_TEXT_SIZE 320 /* bytes, the NUL included */

struct service_account {
	char email[ACCOUNT_TEXT_SIZE];  /* client_email: the account itself */
	char key_id[ACCOUNT_TEXT_SIZE]; /* "": not told */
	struct secret key;              /* PEM */
};

/* STATUS_INVALID: not such a file, and *out_fault, static, says what it lacks. Tries the key. */
MUST_USE enum status service_account_read(struct span json, struct service_account *out_account,
					  const char **out_fault);
void service_account_wipe(struct service_account *account);

struct assertion_claims {
	const char *subject; /* the mailbox; "": the account itself */
	const char *scope;
	const char *audience; /* the token endpoint */
	uint64_t now_s;
};

/* Appends the JWT. */
MUST_USE enum status service_account_assert(const struct service_account *account,
					    const struct assertion_claims *claims, struct buf *out_jwt);

#endif
