/* The choice of a route. Owns nothing; a user without a route sends nothing. */
#include "relay/routes.h"

#include <string.h>

#include "base/domain.h"
#include "smtp/address.h"

/* ".example.com" is all below it, "example.com" itself. Both are canonical. */
static bool is_in(struct span domain, struct span pattern)
{
	if (span_starts_with(pattern, SPAN(".")))
		return domain.size > pattern.size && span_ends_with_nocase(domain, pattern);
	return span_equal_nocase(domain, pattern);
}

/* The canonical domain of a sender; false: it has none. */
static bool read_domain(struct span sender, char out_domain[DOMAIN_SIZE])
{
	struct mailbox mailbox;
	return !span_is_empty(sender) && address_read(sender, true, &mailbox) == STATUS_OK &&
	       domain_canonical(mailbox.domain, out_domain) == STATUS_OK;
}

static bool has_domain(const struct config_route *route, struct span domain)
{
	for (size_t i = 0; i < route->sender_domains.count; i++) {
		if (is_in(domain, span_of(route->sender_domains.items[i])))
			return true;
	}
	return false;
}

/* `domain` is that of the sender, or empty. */
static bool is_for(const struct config_route *route, const struct grant *grant, struct span domain)
{
	bool is_personal = route->users.count || route->groups.count;
	if (is_personal &&
	    !config_names_user(&route->users, &route->groups, grant->user, grant->groups.items, grant->groups.count))
		return false;
	if (route->sender_domains.count == 0)
		return is_personal;
	return !span_is_empty(domain) && has_domain(route, domain);
}

static const struct config_route *find_section(const struct config *config, const struct grant *grant,
					       struct span sender)
{
	const struct config_route *fallback = NULL;
	char text[DOMAIN_SIZE];
	struct span domain = read_domain(sender, text) ? span_of(text) : (struct span){ 0 };
	for (size_t i = 0; i < config->route.count; i++) {
		const struct config_route *route = &config->route.items[i];
		if (strcmp(route->name, "default") == 0)
			fallback = route;
		else if (is_for(route, grant, domain))
			return route;
	}
	return fallback;
}

static void add_relay(const struct config *config, const char *name, struct route *route)
{
	const struct config_relay *relay = config_find_relay(config, name);
	if (relay && route->count < ROUTE_MAXIMUM)
		route->relays[route->count++] = (size_t)(relay - config->relay.items);
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
