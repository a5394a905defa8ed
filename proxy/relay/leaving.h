/* The record without which no message leaves: written, and where it is required elsewhere, too, arrived there. */
#ifndef RELAY_LEAVING_H
#define RELAY_LEAVING_H

#include <sys/queue.h>

#include "audit/audit.h"

struct leaving_record;
struct record_message;
struct services;

/* Embedded in the services. Without `wait`, as zeroed, it is enough that a record is written. */
struct leavings {
	/* As exports_wait and exports_are_stuck. */
	enum status (*wait)(void *context, struct audit_position place, audit_callback *callback, void *waiter);
	bool (*is_stuck)(void *context);
	void *context;
	LIST_HEAD(leaving_records, leaving_record) waiting;
};

/*
 * Has message.leaving recorded, and waits until it is where it must be; then calls back as audit_submit does: once the
 * caller, who waits for the upstream first, has said audit_claim. Unless the status is STATUS_OK it never does.
 */
MUST_USE enum status leaving_submit(struct services *services, const struct record_message *message,
				    audit_callback *callback, void *context);
/* True: no record can be written, or none can leave where it has to. Then refuse messages early. */
bool leaving_is_stuck(const struct services *services);
/* Whoever waits is not called any more. */
void leaving_end(struct services *services);

#endif
