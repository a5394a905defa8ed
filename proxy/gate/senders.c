/* The sender check of the gate. The relay makes its own for the envelope; this one also sees From:. */
#include "gate/senders.h"

#include "door/codec.h"
#include "smtp/address.h"

bool senders_allow(const struct session *s, struct span address)
{
	struct codec_list rest = s->senders;
	struct span delimiter = span_of(s->gate->config->sender.delimiter);
	struct span pattern;
	if (span_is_empty(address))
		return true;
	while (codec_list_next(&rest, &pattern)) {
		if (address_matches(address, pattern, delimiter))
			return true;
	}
	return false;
}

enum config_sender_mode senders_mode(const struct session *s, enum config_sender_mode mode)
{
	return s->senders_bind ? SENDER_ENFORCE : mode;
}

bool senders_pass(const struct session *s, enum config_sender_mode mode, struct span address)
{
	return mode != SENDER_ENFORCE || senders_allow(s, address);
}
