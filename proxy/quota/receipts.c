/* The receipts: entries in the order of their charges, found by token. Owns them. */
#include "quota/receipts.h"

#include <stdlib.h>
#include <string.h>

#define OLD_LOOKED_AT 16 /* of the oldest entries, with each charge: those that may yet be given back stay */

enum status receipts_init(struct receipts *receipts, void (*on_old)(void *context, struct span name, struct span token),
			  void *context)
{
	*receipts = (struct receipts){ .on_old = on_old, .context = context };
	TAILQ_INIT(&receipts->entries);
	return map_init(&receipts->map);
}

static void take_out(struct receipts *receipts, struct receipts_entry *entry)
{
	if (receipts->next == entry)
		receipts->next = TAILQ_NEXT(entry, in_order);
	TAILQ_REMOVE(&receipts->entries, entry, in_order);
}

static void free_entry(struct receipts *receipts, struct receipts_entry *entry)
{
	take_out(receipts, entry);
	map_remove(&receipts->map, &entry->in_map);
	free(entry);
}

void receipts_clear(struct receipts *receipts)
{
	while (receipts->map.count)
		free_entry(receipts, TAILQ_FIRST(&receipts->entries));
	map_free(&receipts->map);
}

static struct receipts_entry *find_entry(const struct receipts *receipts, struct span name, struct span token)
{
	struct map_link *link = map_first(&receipts->map, map_hash_text(&receipts->map, token));
	for (; link; link = map_next(link)) {
		struct receipts_entry *entry = MAP_OWNER(link, struct receipts_entry, in_map);
		if (span_equal(entry->token, token) && span_equal(entry->name, name))
			return entry;
	}
	return NULL;
}

static void retire_entry(struct receipts *receipts, struct receipts_entry *entry)
{
	if (entry->is_settled)
		receipts->on_old(receipts->context, entry->name, entry->token);
	free_entry(receipts, entry);
}

/* Those that may yet be given back are put after the others, lest they are looked at each time. */
static void retire_old(struct receipts *receipts, uint64_t now_ms)
{
	for (int i = 0; i < OLD_LOOKED_AT; i++) {
		struct receipts_entry *entry = TAILQ_FIRST(&receipts->entries);
		bool is_too_many = receipts->map.count > RECEIPTS_MAXIMUM;
		bool is_old = entry && !receipts->keeps_old && now_ms - entry->charged_ms >= RECEIPTS_KEPT_MS;
		if (entry == NULL || (!is_too_many && !is_old))
			return;
		if (is_too_many || entry->is_settled) {
			retire_entry(receipts, entry);
			continue;
		}
		take_out(receipts, entry);
		entry->charged_ms = now_ms;
		TAILQ_INSERT_TAIL(&receipts->entries, entry, in_order);
	}
}

bool receipts_add(struct receipts *receipts, const struct receipts_entry *charge, uint64_t now_ms)
{
	if (find_entry(receipts, charge->name, charge->token))
		return true;
	struct receipts_entry *entry = malloc(sizeof(*entry) + charge->name.size + charge->token.size);
	if (entry == NULL)
		return false;
	*entry = *charge;
	memcpy(entry->text, charge->name.data, charge->name.size);
	memcpy(entry->text + charge->name.size, charge->token.data, charge->token.size);
	entry->name = (struct span){ entry->text, charge->name.size };
	entry->token = (struct span){ entry->text + charge->name.size, charge->token.size };
	entry->charged_ms = now_ms;
	if (map_add(&receipts->map, &entry->in_map, map_hash_text(&receipts->map, entry->token)) != STATUS_OK) {
		free(entry);
		return false;
	}
	TAILQ_INSERT_TAIL(&receipts->entries, entry, in_order);
	retire_old(receipts, now_ms);
	return true;
}

void receipts_drop(struct receipts *receipts, struct span name, struct span token)
{
	struct receipts_entry *entry = find_entry(receipts, name, token);
	if (entry)
		free_entry(receipts, entry);
}

void receipts_settle(struct receipts *receipts, struct span name, struct span token, uint64_t now_ms)
{
	struct receipts_entry *entry = find_entry(receipts, name, token);
	if (entry)
		entry->is_settled = true;
	else
		receipts->on_old(receipts->context, name, token);
	retire_old(receipts, now_ms);
}

void receipts_keep_old(struct receipts *receipts, bool keeps_old)
{
	receipts->keeps_old = keeps_old;
}

void receipts_note_brought(struct receipts *receipts)
{
	struct receipts_entry *entry = TAILQ_FIRST(&receipts->entries);
	for (; entry; entry = TAILQ_NEXT(entry, in_order))
		entry->is_brought = true;
}

void receipts_rewind(struct receipts *receipts)
{
	receipts->next = TAILQ_FIRST(&receipts->entries);
}

const struct receipts_entry *receipts_next(struct receipts *receipts)
{
	const struct receipts_entry *entry = receipts->next;
	if (entry)
		receipts->next = TAILQ_NEXT(entry, in_order);
	return entry;
}
