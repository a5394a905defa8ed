/*
 * When to ask whether the right of a running session still holds: before a message, once `auth.recheck` has passed
 * since the auth role's last answer. Where the directory can't be asked, what was known holds for
 * app_password.directory_grace, as it does for logins; after that, messages are put off.
 */
#ifndef RELAY_RECHECK_H
#define RELAY_RECHECK_H

#include "relay/grants.h"
#include "relay/services.h"

#define RECHECK_AGAIN_MS 30000 /* after an answer that could not be given */

/* Embedded in the role's state. */
struct rechecks {
	struct services *services;
	/* Asks the auth role; the answer goes to recheck_note. STATUS_UNAVAILABLE: nobody can be asked. */
	enum status (*ask)(void *context, const struct grant *grant);
	void *context;
};

/* True while an answer is waited for, which deliveries_rechecked follows; asks where it is time. */
bool recheck_is_awaited(struct rechecks *self, struct grant *grant);
/* True when nobody has known for too long whether it holds. */
bool recheck_is_overdue(const struct rechecks *self, const struct grant *grant);
/* It is known to hold, as of a new grant; or nobody could say. */
void recheck_note(const struct rechecks *self, struct grant *grant, bool holds);

#endif
