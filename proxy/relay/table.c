/* The hash table. Owns the array of slots; doubling it may fail, and then chains just get longer. */
#include "relay/table.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#define SLOTS_LEAST 64

enum status table_init(struct table *table)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return STATUS_SYSTEM;
	*table = (struct table){ .seed = seed };
	return STATUS_OK;
}

void table_free(struct table *table)
{
	free(table->slots);
	*table = (struct table){ .seed = table->seed };
}

/* The finalizer of splitmix64: every bit of the input reaches every bit of the output. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	return x ^ (x >> 31);
}

uint64_t table_hash_numbers(const struct table *table, uint64_t a, uint64_t b)
{
	return mix(mix(a ^ table->seed) + b);
}

uint64_t table_hash_text(const struct table *table, struct span text)
{
	uint64_t hash = table->seed;
	for (size_t i = 0; i < text.size; i++) {
		unsigned char byte = (unsigned char)text.data[i];
		if (byte >= 'A' && byte <= 'Z')
			byte = (unsigned char)(byte + ('a' - 'A'));
		hash = mix(hash + byte + 1);
	}
	return hash;
}

static struct table_link **slot_of(const struct table *table, uint64_t hash)
{
	return &table->slots[hash & (table->slot_count - 1)];
}

static void grow(struct table *table)
{
	struct table wider = *table;
	wider.slot_count = table->slot_count ? table->slot_count * 2 : SLOTS_LEAST;
	wider.slots = calloc(wider.slot_count, sizeof(*wider.slots));
	if (wider.slots == NULL)
		return;
	for (size_t i = 0; i < table->slot_count; i++) {
		while (table->slots[i]) {
			struct table_link *link = table->slots[i];
			table->slots[i] = link->next;
			struct table_link **slot = slot_of(&wider, link->hash);
			link->next = *slot;
			*slot = link;
		}
	}
	free(table->slots);
	*table = wider;
}

enum status table_add(struct table *table, uint64_t hash, struct table_link *link)
{
	if (table->count >= table->slot_count)
		grow(table);
	if (table->slot_count == 0)
		return STATUS_NO_MEMORY;
	struct table_link **slot = slot_of(table, hash);
	*link = (struct table_link){ .next = *slot, .hash = hash };
	*slot = link;
	table->count++;
	return STATUS_OK;
}

void table_remove(struct table *table, struct table_link *link)
{
	struct table_link **at = slot_of(table, link->hash);
	while (*at && *at != link)
		at = &(*at)->next;
	assert(*at == link);
	*at = link->next;
	link->next = NULL;
	table->count--;
}

struct table_link *table_slot(const struct table *table, uint64_t hash)
{
	return table->slot_count ? *slot_of(table, hash) : NULL;
}
