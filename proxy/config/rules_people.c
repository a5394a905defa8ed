/* Whether what users may do makes sense as it is said: as whom, to whom, how much. Adds faults, changes nothing. */
#include <string.h>

#include "config/load.h"
#include "config/values.h"

static void check_sender(struct load *load)
{
	if (strlen(load->config->sender.delimiter) > 1)
		load_fault(load, "sender", "", "delimiter", "\"%.80s\" is too long; expected one character, or \"\"",
			   load->config->sender.delimiter);
}

void rules_check_members(struct load *load, const char *section, const char *title, bool has_default,
			 const struct config_list *users, const struct config_list *groups)
{
	bool is_default = has_default && strcmp(title, "default") == 0;
	if (is_default && (users->count || groups->count))
		load_fault(load, section, title, users->count ? "users" : "groups",
			   "`default` is for all others; expected neither users nor groups");
	if (!is_default && !users->count && !groups->count)
		load_fault(load, section, title, NULL, "meant for nobody; expected users or groups");
}

static bool is_pattern(struct span text)
{
	size_t at = span_find_byte(text, '@');
	return span_equal(text, SPAN("*")) || (at + 1 < text.size && !span_contains_byte(text, ' '));
}

void rules_check_address(struct load *load, const char *section, const char *title, const char *option,
			 const char *text)
{
	struct span address = span_of(text);
	size_t at = span_find_byte(address, '@');
	if (address.size &&
	    (at == 0 || !value_is_host(span_slice(address, at + 1, address.size)) || !is_pattern(address)))
		load_fault(load, section, title, option,
			   "\"%.80s\" is not a mail address; expected one such as \"relay@example.com\"", text);
}

static void check_senders(struct load *load)
{
	for (size_t i = 0; i < load->config->senders.count; i++) {
		const struct config_senders *senders = &load->config->senders.items[i];
		rules_check_members(load, "senders", senders->name, false, &senders->users, &senders->groups);
		if (senders->addresses.count == 0)
			load_fault(load, "senders", senders->name, "addresses",
				   "none; expected some such as {\"noreply@example.com\"}");
		for (size_t j = 0; j < senders->addresses.count; j++) {
			if (!is_pattern(span_of(senders->addresses.items[j])))
				load_fault(load, "senders", senders->name, "addresses",
					   "\"%.80s\" is not a sender; expected an address, @DOMAIN or *",
					   senders->addresses.items[j]);
		}
	}
}

static void check_quotas(struct load *load)
{
	for (size_t i = 0; i < load->config->quota.count; i++) {
		const struct config_quota *quota = &load->config->quota.items[i];
		bool is_default = strcmp(quota->name, "default") == 0;
		if (is_default && (quota->domains.count || quota->shared))
			load_fault(load, "quota", quota->name, quota->shared ? "shared" : "domains",
				   "`default` is for all others, each for themselves; expected neither domains nor "
				   "shared");
		if (is_default || quota->domains.count == 0)
			rules_check_members(load, "quota", quota->name, true, &quota->users, &quota->groups);
	}
}

static void check_patterns(struct load *load, const char *rule, const char *option, const struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!is_pattern(span_of(list->items[i])))
			load_fault(load, "recipients", rule, option,
				   "\"%.80s\" is not a recipient; expected an address, @DOMAIN, @.DOMAIN or *",
				   list->items[i]);
	}
}

static void check_recipients(struct load *load)
{
	for (size_t i = 0; i < load->config->recipients.count; i++) {
		const struct config_recipients *rule = &load->config->recipients.items[i];
		rules_check_members(load, "recipients", rule->name, true, &rule->users, &rule->groups);
		check_patterns(load, rule->name, "allow", &rule->allow);
		check_patterns(load, rule->name, "deny", &rule->deny);
		rules_check_address(load, "recipients", rule->name, "redirect", rule->redirect);
		if (rule->allow.count == 0 && rule->deny.count == 0 && rule->redirect[0] == '\0')
			load_fault(load, "recipients", rule->name, NULL,
				   "it says nothing; expected allow, deny or redirect, or allow = {\"*\"} for any "
				   "recipient");
	}
}

void rules_check_people(struct load *load)
{
	check_sender(load);
	check_senders(load);
	check_recipients(load);
	check_quotas(load);
}
