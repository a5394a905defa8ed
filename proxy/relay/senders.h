/* Which senders a user may put into MAIL FROM: those of their grant. */
#ifndef RELAY_SENDERS_H
#define RELAY_SENDERS_H

#include "config/config.h"
#include "relay/grants.h"

enum senders_verdict {
	SENDERS_REFUSED = 0, /* 553 5.7.1 */
	SENDERS_ALLOWED,
	SENDERS_FOREIGN, /* not theirs, and let pass as the configuration says: sender.envelope = "audit" */
};

/*
 * `sender`: a valid address, or empty for <>, which names nobody and is allowed to all (RFC 8098 has read receipts sent
 * from it; their From: is checked by the gate).
 */
enum senders_verdict senders_check(const struct config *config, const struct grant *grant, struct span sender);

#endif
