/*
 * What the relay role watches over users with, and tells people by: notices and their sinks, its own mail, warnings of
 * quotas, the judge of habits. Made in the order in which the role opens what they use, and freed in the reverse.
 */
#ifndef RELAY_ALERTS_H
#define RELAY_ALERTS_H

#include "relay/expiry_notice.h"
#include "relay/judge.h"
#include "relay/notice_call.h"
#include "relay/notice_mail.h"
#include "relay/warnings.h"

#define ALERTS_SINKS 2 /* of notices: mail, webhook */

/* Embedded in the role's state. */
struct alerts {
	struct services *services;
	struct notice_sink sinks[ALERTS_SINKS];
	struct own_mail *own_mail;
	struct notice_mail notice_mail;
	struct notice_call notice_call;
	struct told *told;
	struct warnings *warnings;
	struct expiry_notice *expiry;
	struct scores *scores; /* NULL without alert.score */
	struct judge *judge;
};

/* Notices and mail; once there are deliveries. */
MUST_USE enum status alerts_begin(struct alerts *alerts, struct services *services, struct deliveries *deliveries);
/* Warnings, and the judge of habits; once there is Redis. */
MUST_USE enum status alerts_open(struct alerts *alerts, struct redis *redis, struct events *events);
/* Mails that are under way, or wait. */
size_t alerts_pending(const struct alerts *alerts);
void alerts_drain(struct alerts *alerts);
void alerts_close(struct alerts *alerts);    /* after Redis */
void alerts_end_mail(struct alerts *alerts); /* before the deliveries */

#endif
