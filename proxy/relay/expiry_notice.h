/*
 * Certificates that end within three days: a record, and a notice to administrators, once a day over all nodes that
 * share the certificate. While Redis is away each node tells of its own.
 */
#ifndef RELAY_EXPIRY_NOTICE_H
#define RELAY_EXPIRY_NOTICE_H

#include "quota/told.h"
#include "relay/services.h"

#define EXPIRY_NOTICE_S (3 * 86400ULL)

struct expiry_notice;

/* Both must outlive it. Reads "expiries" (supervise/expiry.h). */
MUST_USE enum status expiry_notice_create(struct services *services, struct told *told,
					  struct expiry_notice **out_notice);
void expiry_notice_drain(struct expiry_notice *notice); /* another process goes on; NULL-safe */
void expiry_notice_free(struct expiry_notice **notice); /* once nobody answers told's questions; NULL-safe */

#endif
