/* Sections by name, and what follows from them. Pure, but for lookup_sort, which allocates what config_free frees. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

bool config_mechanism_needs_certificate(struct span name)
{
	return span_equal_nocase(name, SPAN("EXTERNAL"));
}

bool config_relay_has_tokens(const struct config_relay *relay)
{
	return relay->auth == RELAY_AUTH_XOAUTH2 || relay->auth == RELAY_AUTH_OAUTHBEARER;
}

bool config_console_has_login(const struct config *config, const char *way)
{
	for (size_t i = 0; i < config->console.login.count; i++)
		if (strcmp(config->console.login.items[i], way) == 0)
			return true;
	return false;
}

/* ---- by name, whichever section: each struct begins with its head */

static const struct config_head *head_of(const struct config_items *items, size_t size, size_t i)
{
	return (const struct config_head *)((const char *)items->items + i * size);
}

static int compare_heads(const void *left, const void *right)
{
	const struct config_head *a = *(const struct config_head *const *)left;
	const struct config_head *b = *(const struct config_head *const *)right;
	return strcmp(a->name, b->name);
}

static enum status sort_heads(const struct config_items *items, size_t size, const struct config_head ***out_order)
{
	const struct config_head **order = calloc(items->count + 1, sizeof(*order));
	if (!order)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < items->count; i++)
		order[i] = head_of(items, size, i);
	qsort(order, items->count, sizeof(*order), compare_heads);
	*out_order = order;
	return STATUS_OK;
}

/* A section that is in no order yet, or in none at all, is looked for among all. */
static const struct config_head *find_head(const struct config_head **order, const struct config_items *items,
					   size_t size, const char *name)
{
	size_t low = 0, high = items->count;
	for (size_t i = 0; order == NULL && i < items->count; i++) {
		if (strcmp(head_of(items, size, i)->name, name) == 0)
			return head_of(items, size, i);
	}
	while (order && low < high) {
		size_t middle = low + (high - low) / 2;
		int comparison = strcmp(order[middle]->name, name);
		if (comparison == 0)
			return order[middle];
		if (comparison < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

#define ITEMS_OF(config, section) ((const struct config_items *)(const void *)&(config)->section)

enum status lookup_sort(struct config *config)
{
	TRY(sort_heads(ITEMS_OF(config, relay), sizeof(struct config_relay), &config->relays_by_name));
	return sort_heads(ITEMS_OF(config, oauth), sizeof(struct config_oauth), &config->oauths_by_name);
}

const struct config_relay *config_find_relay(const struct config *config, const char *name)
{
	const struct config_items *items = ITEMS_OF(config, relay);
	return (const struct config_relay *)find_head(config->relays_by_name, items, sizeof(struct config_relay), name);
}

const struct config_oauth *config_find_oauth(const struct config *config, const char *name)
{
	const struct config_items *items = ITEMS_OF(config, oauth);
	return (const struct config_oauth *)find_head(config->oauths_by_name, items, sizeof(struct config_oauth), name);
}
