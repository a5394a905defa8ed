/* The pairing heap: a tree in which no child is less than its parent. */
#include "base/heap.h"

#include <assert.h>

static bool is_less(const struct heap_link *a, const struct heap_link *b)
{
	return a->key != b->key ? a->key < b->key : a->order < b->order;
}

/* Two trees, neither with siblings, or NULL. */
static struct heap_link *meld_trees(struct heap_link *a, struct heap_link *b)
{
	if (a == NULL || b == NULL)
		return a ? a : b;
	if (is_less(b, a)) {
		struct heap_link *lesser = b;
		b = a;
		a = lesser;
	}
	b->next = a->child;
	b->previous = a;
	if (a->child)
		a->child->previous = b;
	a->child = b;
	return a;
}

/* Takes the first of a row of siblings out of it. */
static struct heap_link *cut_first(struct heap_link **row)
{
	struct heap_link *first = *row;
	if (first) {
		*row = first->next;
		first->next = first->previous = NULL;
	}
	return first;
}

/* Siblings become one tree: in pairs from the first on, and the pairs from the last on. */
static struct heap_link *meld_siblings(struct heap_link *row)
{
	struct heap_link *pairs = NULL, *tree = NULL;
	while (row) {
		struct heap_link *a = cut_first(&row);
		struct heap_link *pair = meld_trees(a, cut_first(&row));
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs)
		tree = meld_trees(tree, cut_first(&pairs));
	return tree;
}

void heap_add(struct heap *heap, struct heap_link *link, uint64_t key, int64_t order)
{
	assert(!link->is_in);
	*link = (struct heap_link){ .key = key, .order = order, .is_in = true };
	heap->least = meld_trees(heap->least, link);
}

static void cut_subtree(struct heap_link *link)
{
	if (link->previous->child == link)
		link->previous->child = link->next;
	else
		link->previous->next = link->next;
	if (link->next)
		link->next->previous = link->previous;
}

void heap_remove(struct heap *heap, struct heap_link *link)
{
	if (!link->is_in)
		return;
	bool is_least = heap->least == link;
	if (!is_least)
		cut_subtree(link);
	struct heap_link *rest = meld_siblings(link->child);
	heap->least = is_least ? rest : meld_trees(heap->least, rest);
	link->child = link->next = link->previous = NULL;
	link->is_in = false;
}
