/* What the relay is told of an exchange: whom to hold a grant for, and which logins failed. */
#ifndef AUTH_GRANT_H
#define AUTH_GRANT_H

#include "auth/exchange.h"

/*
 * Makes the identity what the relay is to hold: what the configuration lends, less what the password leaves out. Other
 * than STATUS_OK: it can't be granted now.
 */
MUST_USE enum status auth_grant_prepare(struct exchange *exchange);
/* Asks the relay to hold the exchange's grant; STATUS_UNAVAILABLE: there is no relay now. */
MUST_USE enum status auth_grant_ask(struct exchange *exchange);
/* Takes back what auth_grant_ask asked for: the login was given up. */
void auth_grant_withdraw(const struct exchange *exchange);
/* Tells the audit of a login that failed; lost without a relay, then the log has it. */
void auth_grant_report_failure(const struct exchange *exchange, struct span user, const char *reason);

/* A line of the log for a login that the relay can't be asked about or told of; rationed, as clients cause them. */
void auth_grant_note_unheard(struct auth *auth, const char *what);

#endif
