/* Nodes that count quotas by other rules than this one, as administrators hear of it: log, metric, status, notice. */
#ifndef RELAY_QUOTA_WATCH_H
#define RELAY_QUOTA_WATCH_H

#include "quota/quota_nodes.h"
#include "relay/services.h"

/* Starts to compare. */
MUST_USE enum status quota_watch_begin(struct services *services, struct redis *redis, struct quota_nodes **out_nodes);

#endif
