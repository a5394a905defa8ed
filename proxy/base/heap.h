/*
 * A heap of things that embed their link: a pairing heap, which finds the least at once, and adds and removes any of
 * them in logarithmic time (amortized). It allocates nothing.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Embedded in its owner. Sorted by `key`, and among equals by `order`. Zeroed: in no heap. Invariant: in at most one
 * heap, with nobody changing the key meanwhile.
 */
struct heap_link {
	struct heap_link *child, *next;
	struct heap_link *previous; /* of the same parent; the first child's is the parent */
	uint64_t key;
	int64_t order;
	bool is_in;
};

/* Zeroed: empty. */
struct heap {
	struct heap_link *least; /* or NULL */
};

#define HEAP_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* A link that is in no heap. */
void heap_add(struct heap *heap, struct heap_link *link, uint64_t key, int64_t order);
/* Nothing happens if it is in no heap. */
void heap_remove(struct heap *heap, struct heap_link *link);

#endif
