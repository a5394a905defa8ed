/* The choice of a route. Owns nothing; a user without a route sends nothing. */
#include "relay/routes.h"

#include <string.h>

#include "smtp/address.h"

/* ".example.com" is all below it, "example.com" itself. */
static bool is_in(struct span domain, struct span pattern)
{
	if (span_starts_with(pattern, SPAN(".")))
		return domain.size > pattern.size && span_ends_with_nocase(domain, pattern);
	return span_equal_nocase(domain, pattern);
}

static bool has_sender(const struct config_route *route, struct span sender)
{
	struct mailbox mailbox;
	if (span_is_empty(sender) || address_read(sender, true, &mailbox) != STATUS_OK)
		return false;
	for (size_t i = 0; i < route->sender_domains.count; i++) {
		if (is_in(mailbox.domain, span_of(route->sender_domains.items[i])))
			return true;
	}
	return false;
}

static bool is_for(const struct config_route *route, const struct grant *grant, struct span sender)
{
	bool is_personal = route->users.count || route->groups.count;
	if (is_personal &&
	    !config_names_user(&route->users, &route->groups, grant->user, grant->groups.items, grant->groups.count))
		return false;
	return route->sender_domains.count ? has_sender(route, sender) : is_personal;
}

static const struct config_route *find_section(const struct config *config, const struct grant *grant,
					       struct span sender)
{
	const struct config_route *fallback = NULL;
	for (size_t i = 0; i < config->route.count; i++) {
		const struct config_route *route = &config->route.items[i];
		if (strcmp(route->name, "default") == 0)
			fallback = route;
		else if (is_for(route, grant, sender))
			return route;
	}
	return fallback;
}

static void add_relay(const struct config *config, const char *name, struct route *route)
{
	for (size_t i = 0; i < config->relay.count && route->count < ROUTE_MAXIMUM; i++) {
		if (strcmp(config->relay.items[i].name, name) == 0) {
			route->relays[route->count++] = i;
			return;
		}
	}
}

enum status routes_choose(const struct config *config, const struct grant *grant, struct span sender,
			  struct route *out_route)
{
	struct route route = { .count = 0 };
	if (config->route.count == 0) {
		if (config->relay.count != 1)
			return STATUS_NOT_FOUND;
		route.count = 1;
	} else {
		const struct config_route *section = find_section(config, grant, sender);
		for (size_t i = 0; section && i < section->relays.count; i++)
			add_relay(config, section->relays.items[i], &route);
	}
	if (route.count == 0)
		return STATUS_NOT_FOUND;
	*out_route = route;
	return STATUS_OK;
}
