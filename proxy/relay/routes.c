/* The choice of a route. Owns nothing; a user without a route sends nothing. */
#include "relay/routes.h"

#include <string.h>

static const struct config_route *find(const struct config *config, const struct grant *grant)
{
	const struct config_route *fallback = NULL;
	for (size_t i = 0; i < config->route.count; i++) {
		const struct config_route *route = &config->route.items[i];
		if (strcmp(route->name, "default") == 0)
			fallback = route;
		else if (config_names_user(&route->users, &route->groups, grant->user, grant->groups.items,
					   grant->groups.count))
			return route;
	}
	return fallback;
}

static void add(const struct config *config, const char *name, struct route *route)
{
	for (size_t i = 0; i < config->relay.count && route->count < ROUTE_MAXIMUM; i++) {
		if (strcmp(config->relay.items[i].name, name) == 0) {
			route->relays[route->count++] = i;
			return;
		}
	}
}

enum status routes_choose(const struct config *config, const struct grant *grant, struct route *out_route)
{
	struct route route = { .count = 0 };
	if (config->route.count == 0) {
		if (config->relay.count != 1)
			return STATUS_NOT_FOUND;
		route.count = 1;
	} else {
		const struct config_route *section = find(config, grant);
		for (size_t i = 0; section && i < section->relays.count; i++)
			add(config, section->relays.items[i], &route);
	}
	if (route.count == 0)
		return STATUS_NOT_FOUND;
	*out_route = route;
	return STATUS_OK;
}
