/*
 * Mail of the relay itself: notices to administrators and users. It goes the way of all mail, by the route and pools,
 * audited, without a quota, and as if a gate within the relay brought it (relay/delivery.h). It is the one exception to
 * promise 1: nobody was authenticated for it. So nothing but what this process wrote itself may come here, and only to
 * addresses that the configuration or the auth role named.
 *
 * Letters wait in memory, one after the other, and are tried again for some hours; what still waits when the process
 * ends is lost, and the log says so. One whose outcome is unknown is not sent again (promise 3).
 */
#ifndef RELAY_OWN_MAIL_H
#define RELAY_OWN_MAIL_H

#include "relay/delivery.h"

#define OWN_MAIL_WAITING 200 /* letters; more are dropped, counted and logged */

struct own_mail;

/* What a letter says; from whom, when and under which id is added. Views. */
struct own_letter {
	struct span to; /* one address */
	struct span subject, text, language;
};

/* `services` and `deliveries` must outlive it. */
MUST_USE enum status own_mail_create(struct services *services, struct deliveries *deliveries,
				     struct own_mail **out_mail);
void own_mail_free(struct own_mail **own); /* before the deliveries; NULL-safe; sets to NULL */

/* Copies the letter. Without notify.from, nothing is sent; what can't be taken is counted and logged. */
void own_mail_send(struct own_mail *own, const struct own_letter *letter);
/* Letters that are under way, or wait. */
size_t own_mail_count(const struct own_mail *own);
/* The process is to end: what waits is tried once more, at once, and not again. */
void own_mail_drain(struct own_mail *own);

#endif
