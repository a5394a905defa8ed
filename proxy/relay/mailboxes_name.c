/* Which mailbox a message goes by, and what its section allows it. Pure. */
#include <stdio.h>

#include "base/ascii.h"
#include "relay/mailboxes.h"

bool mailboxes_name(const struct config *config, const struct config_relay *relay, struct span sender,
		    char out_mailbox[ADDRESS_MAXIMUM + 1])
{
	struct mailbox mailbox;
	if (!relay->per_sender || !address_shares_domain(sender, span_of(relay->user)) ||
	    address_read(sender, false, &mailbox) != STATUS_OK)
		return false;
	size_t local = mailbox.local.size;
	if (config->sender.delimiter[0])
		local = span_find_byte(mailbox.local, config->sender.delimiter[0]);
	if (local == 0)
		return false;
	snprintf(out_mailbox, ADDRESS_MAXIMUM + 1, "%.*s@%.*s", (int)local, mailbox.local.data,
		 SPAN_ARGS(mailbox.domain));
	for (char *c = out_mailbox; *c; c++)
		*c = ascii_lower(*c);
	return true;
}

bool mailboxes_limits(const struct config_relay *relay, struct budget_limits *out_limits)
{
	*out_limits = (struct budget_limits){ relay->messages_per_day, relay->recipients_per_day,
					      relay->messages_per_minute };
	return relay->messages_per_day || relay->recipients_per_day || relay->messages_per_minute;
}
