/* From what a client said, step by step, to what the chain judges. */
#ifndef AUTH_CREDENTIALS_H
#define AUTH_CREDENTIALS_H

#include "auth/exchange.h"

/*
 * At the start: looks at what TLS proved of the client, where its mechanism needs that. STATUS_UNAVAILABLE: it can't be
 * known now.
 */
MUST_USE enum status credentials_prepare(struct exchange *exchange, const struct door_sasl_start *message);
/*
 * Once the mechanism is complete: fills in the kind, the name and the password. Returns why nobody can be meant, a
 * static text for the audit; NULL: somebody is.
 */
const char *credentials_take(struct exchange *exchange);

#endif
