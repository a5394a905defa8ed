/* The envelope sender check. Owns nothing; in doubt it refuses. */
#include "relay/senders.h"

#include "smtp/address.h"

static bool holds(const struct config_list *list, struct span wanted)
{
	for (size_t i = 0; i < list->count; i++)
		if (span_equal_nocase(span_of(list->items[i]), wanted))
			return true;
	return false;
}

bool senders_names_user(const struct config_list *users, const struct config_list *groups, const struct grant *grant)
{
	if (holds(users, grant->user))
		return true;
	for (size_t i = 0; i < grant->groups.count; i++)
		if (holds(groups, grant->groups.items[i]))
			return true;
	return false;
}

static bool owns(const struct grant *grant, struct span sender, struct span delimiter)
{
	for (size_t i = 0; i < grant->senders.count; i++)
		if (address_matches(sender, grant->senders.items[i], delimiter))
			return true;
	return false;
}

static bool is_lent(const struct config_senders *section, struct span sender, struct span delimiter)
{
	for (size_t i = 0; i < section->addresses.count; i++)
		if (address_matches(sender, span_of(section->addresses.items[i]), delimiter))
			return true;
	return false;
}

static bool may_use(const struct config *config, const struct grant *grant, struct span sender)
{
	struct span delimiter = span_of(config->sender.delimiter);
	if (owns(grant, sender, delimiter))
		return true;
	for (size_t i = 0; i < config->senders.count; i++) {
		const struct config_senders *section = &config->senders.items[i];
		if (senders_names_user(&section->users, &section->groups, grant) && is_lent(section, sender, delimiter))
			return true;
	}
	return false;
}

enum senders_verdict senders_check(const struct config *config, const struct grant *grant, struct span sender)
{
	if (config->sender.envelope == SENDER_OFF || span_is_empty(sender) || may_use(config, grant, sender))
		return SENDERS_ALLOWED;
	return config->sender.envelope == SENDER_AUDIT ? SENDERS_FOREIGN : SENDERS_REFUSED;
}
