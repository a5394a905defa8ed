/* The relay's door, as exchanges see it. */
#ifndef AUTH_GRANT_DOOR_H
#define AUTH_GRANT_DOOR_H

#include "auth/exchange.h"

/* Asks the relay to hold the exchange's grant; STATUS_UNAVAILABLE: there is no relay now. */
MUST_USE enum status auth_grant_ask(struct exchange *exchange);
/* Takes back what auth_grant_ask asked for: the login was given up. */
void auth_grant_withdraw(const struct exchange *exchange);
/* Tells the audit of a login that failed; lost without a relay, then the log has it. */
void auth_grant_report_failure(const struct exchange *exchange, struct span user, const char *reason);
/* "ldap", "app_password", or "" where no back end decided. Static. */
const char *auth_grant_method_text(enum stats_method method);

/* Tokens go to the relay, and a drained role ends with the last fetch. */
extern const struct tokens_handler auth_tokens_handler;

#endif
