/*
 * An intrusive hash table: entries embed a link, the table owns only its
 * slots, and grows with what it holds. Hashes are seeded for each process, so
 * that a peer who picks keys can't pile them into one slot.
 */
#ifndef RELAY_TABLE_H
#define RELAY_TABLE_H

#include "base/span.h"

struct table_link {
	struct table_link *next;
	uint64_t hash;
};

/* Invariant: slot_count is 0 or a power of two; count is the number of links in all slots. */
struct table {
	struct table_link **slots;
	size_t slot_count;
	size_t count;
	uint64_t seed;
};

/* STATUS_SYSTEM: no random bytes for the seed. Holds no memory until the first entry. */
MUST_USE enum status table_init(struct table *table);
void table_free(struct table *table); /* the slots; entries are their owners' */

uint64_t table_hash_numbers(const struct table *table, uint64_t a, uint64_t b);
uint64_t table_hash_text(const struct table *table, struct span text); /* ASCII case ignored */

/* STATUS_NO_MEMORY. The caller has made sure that the key is not there yet. */
MUST_USE enum status table_add(struct table *table, uint64_t hash, struct table_link *link);
void table_remove(struct table *table, struct table_link *link); /* which is in the table */
/* The first entry of that hash's slot, then link->next: compare hash and key. NULL at the end. */
struct table_link *table_slot(const struct table *table, uint64_t hash);

#endif
