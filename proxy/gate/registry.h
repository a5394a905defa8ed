/*
 * What waits for an answer through a door, by number. A late answer finds nothing here and is dropped. Room for all is
 * made at start: adding can't fail.
 */
#ifndef GATE_REGISTRY_H
#define GATE_REGISTRY_H

#include "base/map.h"

struct session;

/* Embedded in what waits. Invariant: `id` != 0 iff it is registered. */
struct registration {
	uint64_t id;
	struct session *session;
	struct map_link link;
};

struct registry;

/* `expected`: how many will be registered at once; more work too. STATUS_NO_MEMORY, STATUS_SYSTEM: no random bytes. */
MUST_USE enum status registry_create(size_t expected, struct registry **out_registry);
void registry_free(struct registry **registry); /* NULL-safe; does not touch what is registered */

/* `id` is not 0 and not registered yet. */
void registry_add(struct registry *registry, struct registration *registration, uint64_t id, struct session *session);
/* Nothing when it is not registered. */
void registry_remove(struct registry *registry, struct registration *registration);
/* The session that waits under this number, or NULL. */
struct session *registry_find(const struct registry *registry, uint64_t id);

#endif
