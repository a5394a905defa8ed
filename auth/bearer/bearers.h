/* All issuers whose tokens log users in, and whose a token is. */
#ifndef AUTH_BEARER_BEARERS_H
#define AUTH_BEARER_BEARERS_H

#include "auth/bearer/issuer.h"

struct bearers;

/* One issuer for each bearer section. Logs what is wrong. */
MUST_USE enum status bearers_create(const struct role_context *role, struct bearers **out_bearers);
void bearers_free(struct bearers **bearers); /* NULL-safe; sets to NULL */

/* Whether somebody has to be asked about such a token; else it says all by itself. */
bool bearers_ask_issuer(const struct bearers *bearers, struct span token);
/* As issuer_ask, at the issuer that the token names, or the one that is asked about tokens that name none. */
void bearers_ask(struct bearers *bearers, struct span token, uint64_t owner, bearer_answered answered, void *context,
		 struct bearer_ask **out_ask);

#endif
