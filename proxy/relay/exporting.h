/* The audit's exports, as the relay role has them: what they are opened with, and what the log says of them. */
#ifndef RELAY_EXPORTING_H
#define RELAY_EXPORTING_H

#include "export/exports.h"
#include "relay/earlier_audit.h"
#include "relay/services.h"

/* Zeroed but for `services`: nothing is exported. */
struct exporting {
	struct services *services;
	struct exports *exports; /* NULL: records go to the file alone */
	struct secret ca;        /* PEM; not secret, but read the same way */
};

/* Before the audit is opened. `audit_fd`, its file, stays its owner's. Does nothing where no receiver is configured. */
MUST_USE enum status exporting_prepare(struct exporting *exporting, const struct earlier_audit *earlier, int audit_fd);
MUST_USE enum status exporting_begin(struct exporting *exporting, struct resolver *resolver, struct redis *redis);
/* The audit goes on in this file, which stays its owner's. */
void exporting_add_file(struct exporting *exporting, int audit_fd);
void exporting_end(struct exporting *exporting);

#endif
