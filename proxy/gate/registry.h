/*
 * What waits for an answer through a door, by number. A late answer finds
 * nothing here and is dropped. A fixed number of buckets, made at start.
 */
#ifndef GATE_REGISTRY_H
#define GATE_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct session;

/* Embedded in what waits. Invariant: `id` != 0 iff it is registered. */
struct registration {
	uint64_t id;
	struct session *session;
	struct registration *next;
};

struct registry;

/* `expected`: how many may be registered at once with short chains; more work too. STATUS_NO_MEMORY. */
MUST_USE enum status registry_create(size_t expected, struct registry **out_registry);
void registry_free(struct registry **registry); /* NULL-safe; does not touch what is registered */

/* `id` is not 0 and not registered yet. */
void registry_add(struct registry *registry, struct registration *registration, uint64_t id, struct session *session);
/* Nothing when it is not registered. */
void registry_remove(struct registry *registry, struct registration *registration);
/* The session that waits under this number, or NULL. */
struct session *registry_find(const struct registry *registry, uint64_t id);

#endif
