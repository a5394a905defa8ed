/* Recipient rules. Owns nothing; what no pattern fits is refused where there is a list of what is allowed. */
#include "relay/recipient_rules.h"

#include <stdio.h>
#include <string.h>

#include "base/domain.h"
#include "smtp/address.h"

const struct config_recipients *recipient_rules_find(const struct config *config, const struct grant *grant)
{
	const struct config_recipients *fallback = NULL;
	for (size_t i = 0; i < config->recipients.count; i++) {
		const struct config_recipients *rule = &config->recipients.items[i];
		if (strcmp(rule->name, "default") == 0)
			fallback = rule;
		else if (config_names_user(&rule->users, &rule->groups, grant->user, grant->groups.items,
					   grant->groups.count))
			return rule;
	}
	return fallback;
}

static bool is_below(struct span domain, struct span parent)
{
	char own[DOMAIN_SIZE], above[DOMAIN_SIZE];
	if (domain_canonical(domain, own) != STATUS_OK || domain_canonical(parent, above) != STATUS_OK)
		return false;
	size_t size = strlen(own), end = strlen(above);
	return size > end + 1 && own[size - end - 1] == '.' && strcmp(own + size - end, above) == 0;
}

/* "@.example.com" is all below it; the others as for senders. */
static bool fits_pattern(struct span address, struct span pattern, struct span delimiter)
{
	struct mailbox mailbox;
	if (!span_starts_with(pattern, SPAN("@.")))
		return address_matches(address, pattern, delimiter);
	return address_read(address, true, &mailbox) == STATUS_OK &&
	       is_below(mailbox.domain, span_slice(pattern, 2, pattern.size));
}

static bool is_listed(const struct config_list *list, struct span address, struct span delimiter)
{
	for (size_t i = 0; i < list->count; i++)
		if (fits_pattern(address, span_of(list->items[i]), delimiter))
			return true;
	return false;
}

/* A domain that can't be brought to one spelling might be a denied one to whoever delivers there. */
static bool has_one_spelling(struct span address)
{
	char domain[DOMAIN_SIZE];
	struct mailbox mailbox;
	return address_read(address, true, &mailbox) == STATUS_OK &&
	       (mailbox.domain.size == 0 || domain_canonical(mailbox.domain, domain) == STATUS_OK);
}

static bool is_within_login(const struct grant *grant, struct span address)
{
	for (size_t i = 0; i < grant->recipients.count; i++)
		if (fits_pattern(address, grant->recipients.items[i], (struct span){ 0 }))
			return true;
	return grant->recipients.count == 0;
}

enum recipient_verdict recipient_rules_check(const struct config *config, const struct grant *grant,
					     struct span address, char out_reply[RECIPIENT_RULE_TEXT_SIZE])
{
	const struct config_recipients *rule = grant->rule;
	if (!is_within_login(grant, address)) {
		snprintf(out_reply, RECIPIENT_RULE_TEXT_SIZE,
			 "550 5.7.1 Recipient not allowed: not among those that this app password is for");
		return RECIPIENT_REFUSED;
	}
	if (rule == NULL)
		return RECIPIENT_ALLOWED;
	bool is_denied = (rule->deny.count && !has_one_spelling(address)) ||
			 is_listed(&rule->deny, address, span_of(config->sender.delimiter));
	if (!is_denied && (rule->allow.count == 0 || is_listed(&rule->allow, address, (struct span){ 0 })))
		return RECIPIENT_ALLOWED;
	snprintf(out_reply, RECIPIENT_RULE_TEXT_SIZE, "550 5.7.1 Recipient not allowed: %s the rule \"%.64s\"%s",
		 is_denied ? "denied by" : "not among those of", rule->name, is_denied ? "" : " for you");
	return rule->mode == RECIPIENTS_AUDIT ? RECIPIENT_NOTED : RECIPIENT_REFUSED;
}
