/* A chained hash of embedded nodes. Numbers are given one after the other, so their low bits spread well. */
#include "gate/registry.h"

#include <assert.h>
#include <stdlib.h>

#define BUCKETS_MAXIMUM 65536 /* 512 KiB of pointers; longer chains beyond */

struct registry {
	size_t mask;
	struct registration *buckets[];
};

enum status registry_create(size_t expected, struct registry **out_registry)
{
	size_t buckets = 64;
	while (buckets < expected && buckets < BUCKETS_MAXIMUM)
		buckets *= 2;
	struct registry *registry = calloc(1, sizeof(*registry) + buckets * sizeof(registry->buckets[0]));
	if (registry == NULL)
		return STATUS_NO_MEMORY;
	registry->mask = buckets - 1;
	*out_registry = registry;
	return STATUS_OK;
}

void registry_free(struct registry **registry)
{
	free(*registry);
	*registry = NULL;
}

void registry_add(struct registry *registry, struct registration *registration, uint64_t id, struct session *session)
{
	assert(id != 0 && registration->id == 0);
	struct registration **bucket = &registry->buckets[id & registry->mask];
	*registration = (struct registration){ .id = id, .session = session, .next = *bucket };
	*bucket = registration;
}

void registry_remove(struct registry *registry, struct registration *registration)
{
	if (registration->id == 0)
		return;
	struct registration **at = &registry->buckets[registration->id & registry->mask];
	while (*at != registration)
		at = &(*at)->next;
	*at = registration->next;
	*registration = (struct registration){ 0 };
}

struct session *registry_find(const struct registry *registry, uint64_t id)
{
	for (const struct registration *at = registry->buckets[id & registry->mask]; at; at = at->next) {
		if (at->id == id)
			return at->session;
	}
	return NULL;
}
