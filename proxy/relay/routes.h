/*
 * Which relays a message goes to, in order: those of the first route whose users, groups and sender domains fit, else
 * of the route `default`.
 */
#ifndef RELAY_ROUTES_H
#define RELAY_ROUTES_H

#include "config/config.h"
#include "relay/grants.h"

#define ROUTE_MAXIMUM 16 /* relays of one route that are tried */

struct route {
	size_t relays[ROUTE_MAXIMUM]; /* indices into config->relay, in the order to try */
	size_t count;
};

/*
 * `sender` is the address in MAIL FROM, empty for <>. Where there is one relay and no route, it is implied.
 * STATUS_NOT_FOUND: no route for this user, or one without a relay that exists.
 */
MUST_USE enum status routes_choose(const struct config *config, const struct grant *grant, struct span sender,
				   struct route *out_route);

#endif
