/*
 * To whom a user may send: the section `recipients` of the configuration that is for them, and what the password that
 * they logged in with was limited to.
 */
#ifndef RELAY_RECIPIENT_RULES_H
#define RELAY_RECIPIENT_RULES_H

#include "config/config.h"
#include "relay/grants.h"

#define RECIPIENT_RULE_TEXT_SIZE 192 /* bytes, the NUL included */

enum recipient_verdict {
	RECIPIENT_REFUSED = 0, /* 550 5.7.1 */
	RECIPIENT_ALLOWED,
	RECIPIENT_NOTED, /* not allowed, and let pass as the rule says: mode = "audit" */
};

/* The section that is for the grant's user, by its user and groups; NULL: none is. */
const struct config_recipients *recipient_rules_find(const struct config *config, const struct grant *grant);

/*
 * `address`: a valid one. A login's own limit is never only noted. `out_reply`: what the client hears where it is
 * refused.
 */
enum recipient_verdict recipient_rules_check(const struct config *config, const struct grant *grant,
					     struct span address, char out_reply[RECIPIENT_RULE_TEXT_SIZE]);

#endif
