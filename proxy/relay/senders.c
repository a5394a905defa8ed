/* The envelope sender check. Owns nothing; in doubt it refuses. */
#include "relay/senders.h"

#include "smtp/address.h"

static bool owns_sender(const struct grant *grant, struct span sender, struct span delimiter)
{
	for (size_t i = 0; i < grant->senders.count; i++)
		if (address_matches(sender, grant->senders.items[i], delimiter))
			return true;
	return false;
}

enum senders_verdict senders_check(const struct config *config, const struct grant *grant, struct span sender)
{
	enum config_sender_mode mode = grant->senders_bind ? SENDER_ENFORCE : config->sender.envelope;
	if (mode == SENDER_OFF || span_is_empty(sender) ||
	    owns_sender(grant, sender, span_of(config->sender.delimiter)))
		return SENDERS_ALLOWED;
	return mode == SENDER_AUDIT ? SENDERS_FOREIGN : SENDERS_REFUSED;
}
