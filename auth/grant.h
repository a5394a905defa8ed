/* What the relay is told of an exchange: whom to hold a grant for, and which logins failed. */
#ifndef AUTH_GRANT_H
#define AUTH_GRANT_H

#include "auth/exchange.h"

/* Asks the relay to hold the exchange's grant; STATUS_UNAVAILABLE: there is no relay now. */
MUST_USE enum status auth_grant_ask(struct exchange *exchange);
/* Takes back what auth_grant_ask asked for: the login was given up. */
void auth_grant_withdraw(const struct exchange *exchange);
/* Tells the audit of a login that failed; lost without a relay, then the log has it. */
void auth_grant_report_failure(const struct exchange *exchange, struct span user, const char *reason);

#endif
