/* A map of numbers, with its buckets reserved at start. */
#include "gate/registry.h"

#include <assert.h>
#include <stdlib.h>

#define RESERVE_MAXIMUM 65536 /* 512 KiB of pointers; more are made when they are needed, if memory allows */

struct registry {
	struct map map;
};

enum status registry_create(size_t expected, struct registry **out_registry)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	if (registry == NULL)
		return STATUS_NO_MEMORY;
	enum status status = map_init(&registry->map);
	if (status == STATUS_OK)
		status = map_reserve(&registry->map, expected < RESERVE_MAXIMUM ? expected : RESERVE_MAXIMUM);
	if (status != STATUS_OK) {
		free(registry);
		return status;
	}
	*out_registry = registry;
	return STATUS_OK;
}

void registry_free(struct registry **registry)
{
	if (*registry)
		map_free(&(*registry)->map);
	free(*registry);
	*registry = NULL;
}

void registry_add(struct registry *registry, struct registration *registration, uint64_t id, struct session *session)
{
	assert(id != 0 && registration->id == 0);
	*registration = (struct registration){ .id = id, .session = session };
	enum status status = map_add(&registry->map, &registration->link, map_hash_number(&registry->map, id));
	assert(status == STATUS_OK); /* there are buckets */
	(void)status;
}

void registry_remove(struct registry *registry, struct registration *registration)
{
	if (registration->id == 0)
		return;
	map_remove(&registry->map, &registration->link);
	*registration = (struct registration){ 0 };
}

struct session *registry_find(const struct registry *registry, uint64_t id)
{
	struct map_link *link = map_first(&registry->map, map_hash_number(&registry->map, id));
	for (; link; link = map_next(link)) {
		const struct registration *registration = MAP_OWNER(link, struct registration, link);
		if (registration->id == id)
			return registration->session;
	}
	return NULL;
}
