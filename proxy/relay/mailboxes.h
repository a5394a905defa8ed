/*
 * Senders' own mailboxes at a relay with per_sender: which message goes by
 * which, and what each may still send. All ways to write an address are one
 * mailbox: case, and what follows sender.delimiter, do not count.
 */
#ifndef RELAY_MAILBOXES_H
#define RELAY_MAILBOXES_H

#include "config/config.h"
#include "quota/budget.h"
#include "smtp/address.h"

/* False: this message goes by the relay's `user`. */
bool mailboxes_name(const struct config *config, const struct config_relay *relay, struct span sender,
		    char out_mailbox[ADDRESS_MAXIMUM + 1]);

/* What an account of this relay may send, as its section says; false: there is no limit. */
bool mailboxes_limits(const struct config_relay *relay, struct budget_limits *out_limits);

struct mailboxes;

MUST_USE enum status mailboxes_create(struct loop *loop, struct redis *redis, const struct config *config,
				      struct mailboxes **out_mailboxes);
void mailboxes_free(struct mailboxes **mailboxes); /* before `redis` */
void mailboxes_drain(struct mailboxes *mailboxes);
/* The budget of a mailbox, good until a later turn of the loop unless it is claimed. NULL: no memory, or too many. */
struct budget *mailboxes_budget(struct mailboxes *mailboxes, const struct config_relay *relay, struct span mailbox);

#endif
