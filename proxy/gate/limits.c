/*
 * A chained hash of client networks. There are never more entries than
 * connections, so it is bounded by them; its hash has a random start, so that
 * nobody can choose addresses that share a chain.
 */
#include "gate/limits.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_MAXIMUM 65536 /* 512 KiB of pointers; longer chains beyond */

struct network {
	struct network *next;
	struct limits_key key;
	uint64_t connections; /* at least 1 */
};

struct limits {
	uint64_t maximum;
	uint64_t per_network;
	uint64_t count;
	uint64_t seed;
	size_t mask;
	struct network *buckets[];
};

enum status limits_create(uint64_t connections, uint64_t per_network, struct limits **out_limits)
{
	size_t buckets = 64;
	while (buckets < connections && buckets < BUCKETS_MAXIMUM)
		buckets *= 2;
	struct limits *limits = calloc(1, sizeof(*limits) + buckets * sizeof(struct network *));
	if (limits == NULL)
		return STATUS_NO_MEMORY;
	limits->maximum = connections;
	limits->per_network = per_network;
	limits->mask = buckets - 1;
	if (getrandom(&limits->seed, sizeof(limits->seed), 0) != (ssize_t)sizeof(limits->seed)) {
		free(limits);
		return STATUS_SYSTEM;
	}
	*out_limits = limits;
	return STATUS_OK;
}

void limits_free(struct limits **limits)
{
	if (*limits == NULL)
		return;
	for (size_t i = 0; i <= (*limits)->mask; i++) {
		while ((*limits)->buckets[i]) {
			struct network *next = (*limits)->buckets[i]->next;
			free((*limits)->buckets[i]);
			(*limits)->buckets[i] = next;
		}
	}
	free(*limits);
	*limits = NULL;
}

struct limits_key limits_key_of(const struct sockaddr_storage *address)
{
	struct limits_key key = { 0 };
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
		key.bytes[0] = 4;
		memcpy(key.bytes + 1, &v4->sin_addr, 4);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
		key.bytes[0] = mapped ? 4 : 6;
		memcpy(key.bytes + 1, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 8);
	}
	return key;
}

/* FNV-1a from a random start. */
static struct network **find_bucket(struct limits *limits, const struct limits_key *key)
{
	uint64_t hash = limits->seed ^ 0xcbf29ce484222325U;
	for (size_t i = 0; i < sizeof(key->bytes); i++)
		hash = (hash ^ key->bytes[i]) * 0x100000001b3U;
	return &limits->buckets[(hash ^ (hash >> 32)) & limits->mask];
}

/* Where the pointer to this network is, or where the chain ends. */
static struct network **find_network(struct limits *limits, const struct limits_key *key)
{
	struct network **at = find_bucket(limits, key);
	while (*at && memcmp(&(*at)->key, key, sizeof(*key)) != 0)
		at = &(*at)->next;
	return at;
}

enum status limits_enter(struct limits *limits, const struct limits_key *key)
{
	if (limits->count >= limits->maximum)
		return STATUS_REFUSED;
	if (key == NULL) {
		limits->count++;
		return STATUS_OK;
	}
	struct network **at = find_network(limits, key);
	if (*at && (*at)->connections >= limits->per_network)
		return STATUS_REFUSED;
	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at == NULL)
			return STATUS_NO_MEMORY;
		(*at)->key = *key;
	}
	(*at)->connections++;
	limits->count++;
	return STATUS_OK;
}

void limits_leave(struct limits *limits, const struct limits_key *key)
{
	assert(limits->count > 0);
	limits->count--;
	if (key == NULL)
		return;
	struct network **at = find_network(limits, key);
	assert(*at);
	if (--(*at)->connections > 0)
		return;
	struct network *gone = *at;
	*at = gone->next;
	free(gone);
}

uint64_t limits_count(const struct limits *limits)
{
	return limits->count;
}
