/*
 * Whether users may send more than the accounts of their relays: whoever is within their quota is then refused all the
 * same, and a provider that is asked for more than it allows may lock the account for a day.
 */
#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "config/warnings.h"

#define GMAIL_CONSUMER 500U   /* messages a day of an account at gmail.com */
#define GMAIL_WORKSPACE 2000U /* of one of a Workspace */
#define SEVERAL 2U            /* members of a section that names no users: nobody knows how many there are */

/* What its account may send a day; 0: nobody has said. */
static uint64_t capacity_of(const struct config_relay *relay)
{
	if (relay->messages_per_day || relay->per_sender)
		return relay->per_sender ? 0 : relay->messages_per_day;
	if (!span_equal_nocase(span_of(relay->host), SPAN("smtp.gmail.com")))
		return 0;
	bool is_consumer = span_ends_with_nocase(span_of(relay->user), SPAN("@gmail.com")) ||
			   span_ends_with_nocase(span_of(relay->user), SPAN("@googlemail.com"));
	return is_consumer ? GMAIL_CONSUMER : GMAIL_WORKSPACE;
}

/* Of all relays of a route together; 0: one of them has no end that is known. */
static uint64_t capacity_of_route(const struct config *config, const struct config_route *route)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < route->relays.count; i++) {
		const struct config_relay *relay = config_find_relay(config, route->relays.items[i]);
		uint64_t capacity = relay ? capacity_of(relay) : 0;
		if (capacity == 0)
			return 0;
		sum += capacity;
	}
	return sum;
}

/* What the members of all sections may send a day, at least; UINT64_MAX: one of them has no limit. */
static uint64_t demand_of(const struct config *config)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < config->quota.count; i++) {
		const struct config_quota *quota = &config->quota.items[i];
		bool is_open = quota->groups.count || quota->domains.count || strcmp(quota->name, "default") == 0;
		uint64_t members = quota->users.count + (is_open ? SEVERAL : 0);
		if (quota->shared)
			continue; /* those of its members' own sections count */
		if (quota->messages_per_day == 0)
			return UINT64_MAX;
		sum += quota->messages_per_day * members;
	}
	return sum;
}

void warn_of_quotas(const struct config *config, FILE *out)
{
	uint64_t demand = demand_of(config);
	for (size_t i = 0; i < config->route.count; i++) {
		const struct config_route *route = &config->route.items[i];
		uint64_t capacity = capacity_of_route(config, route);
		if (strcmp(route->name, "default") != 0 || capacity == 0 || demand <= capacity)
			continue;
		fprintf(out, "%s:%u: warning: route %s: its relays' accounts may send %" PRIu64 " messages a day, ",
			config->file, route->line, route->name, capacity);
		if (demand == UINT64_MAX)
			fputs("and a quota has no limit", out);
		else
			fprintf(out, "and all quotas together allow %" PRIu64 " or more", demand);
		fputs("; expected lower quotas, or one more relay\n", out);
	}
}
