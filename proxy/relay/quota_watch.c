/* What is said of nodes that differ. Owns nothing. */
#include "relay/quota_watch.h"

#include "base/log.h"
#include "role/role.h"

static void on_difference(void *context, size_t count, const char *how)
{
	struct services *services = context;
	stats_set(services->stats, COUNTER_QUOTA_NODES_DIFFER, 0, count);
	if (count == 0) {
		log_info("all nodes count quotas by the same rules again");
		return;
	}
	log_warning("quotas are not counted by the same rules on all nodes: %s", how);
	const struct notice notice = {
		.kind = NOTICE_QUOTA_DIFFERS,
		.severity = NOTICE_WARNING,
		.subject = SPAN("nodes count quotas by different rules"),
		.text = span_of(how),
	};
	notices_raise(&services->notices, &notice);
}

enum status quota_watch_begin(struct services *services, struct redis *redis, struct quota_nodes **out_nodes)
{
	return quota_nodes_create(services->loop, redis, services->config, services->role->node, on_difference,
				  services, out_nodes);
}
