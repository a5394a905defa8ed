/* The table: records in slabs, as none of them goes before all do. */
#include "auth/app_password/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/network.h"

#define SLAB_SIZE (256U << 10) /* bytes */

struct slab {
	struct slab *next;
	size_t used;
	char bytes[];
};

/* Invariant: every record stands in both maps and in `order`, at its number. */
struct password_table {
	struct map by_id, by_owner;
	struct app_password **order;
	size_t count, capacity;
	struct slab *slabs; /* the newest first */
};

const char *app_password_text(const struct app_password *password, enum app_password_text which)
{
	const char *text = password->texts;
	for (unsigned i = 0; i < which; i++)
		text += strlen(text) + 1;
	return text;
}

bool app_password_is_from(const struct app_password *password, struct span address)
{
	struct span rest = span_of(app_password_text(password, APP_PASSWORD_FROM)), item;
	struct network network;
	if (span_is_empty(rest))
		return true;
	while (span_cut(&rest, '\n', &item))
		if (network_parse(item, &network) == STATUS_OK && network_contains(&network, address))
			return true;
	return false;
}

enum status table_create(struct password_table **out_table)
{
	struct password_table *table = calloc(1, sizeof(*table));
	if (table == NULL)
		return STATUS_NO_MEMORY;
	enum status status = map_init(&table->by_id);
	if (status == STATUS_OK)
		status = map_init(&table->by_owner);
	if (status != STATUS_OK) {
		free(table);
		return status;
	}
	*out_table = table;
	return STATUS_OK;
}

void table_free(struct password_table **table_at_pointer)
{
	struct password_table *table = *table_at_pointer;
	*table_at_pointer = NULL;
	if (table == NULL)
		return;
	for (struct slab *slab = table->slabs; slab;) {
		struct slab *next = slab->next;
		explicit_bzero(slab, sizeof(*slab) + slab->used);
		free(slab);
		slab = next;
	}
	map_free(&table->by_id);
	map_free(&table->by_owner);
	free(table->order);
	free(table);
}

/* ---- memory */

static void *take_memory(struct password_table *table, size_t size)
{
	struct slab *slab = table->slabs;
	size = (size + 7) & ~(size_t)7;
	if (slab == NULL || SLAB_SIZE - sizeof(*slab) - slab->used < size) {
		slab = malloc(SLAB_SIZE);
		if (slab == NULL)
			return NULL;
		*slab = (struct slab){ .next = table->slabs };
		table->slabs = slab;
	}
	void *memory = slab->bytes + slab->used;
	slab->used += size;
	return memory;
}

static enum status make_room(struct password_table *table)
{
	if (table->count < table->capacity)
		return STATUS_OK;
	size_t capacity = table->capacity ? table->capacity + table->capacity / 2 : 64;
	struct app_password **order = realloc(table->order, capacity * sizeof(struct app_password *));
	if (order == NULL)
		return STATUS_NO_MEMORY;
	table->order = order;
	table->capacity = capacity;
	return STATUS_OK;
}

/* ---- looking up */

static struct app_password *password_by_id(const struct password_table *table, struct span id)
{
	struct map_link *link = map_first(&table->by_id, map_hash_text(&table->by_id, id));
	for (; link; link = map_next(link)) {
		struct app_password *password = MAP_OWNER(link, struct app_password, by_id);
		if (span_equal(span_of(password->id), id))
			return password;
	}
	return NULL;
}

const struct app_password *table_find(const struct password_table *table, struct span id)
{
	return password_by_id(table, id);
}

const struct app_password *table_first(const struct password_table *table, struct span owner)
{
	struct map_link *link = map_first(&table->by_owner, map_hash_text(&table->by_owner, owner));
	for (; link; link = map_next(link)) {
		const struct app_password *password = MAP_OWNER(link, struct app_password, by_owner);
		if (span_equal(span_of(password->owner), owner))
			return password;
	}
	return NULL;
}

const struct app_password *table_next(const struct app_password *password)
{
	for (struct map_link *link = map_next(&password->by_owner); link; link = map_next(link)) {
		const struct app_password *next = MAP_OWNER(link, struct app_password, by_owner);
		if (next->owner == password->owner)
			return next;
	}
	return NULL;
}

size_t table_count(const struct password_table *table)
{
	return table->count;
}

const struct app_password *table_at(const struct password_table *table, size_t number)
{
	return table->order[number];
}

/* ---- changes */

/* The owner's text, which all of their passwords share. */
static const char *share_owner(struct password_table *table, struct span owner)
{
	const struct app_password *other = table_first(table, owner);
	if (other)
		return other->owner;
	char *text = take_memory(table, owner.size + 1);
	if (text) {
		memcpy(text, owner.data, owner.size);
		text[owner.size] = '\0';
	}
	return text;
}

static uint32_t clamp_number(uint64_t number)
{
	return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static struct app_password *build_password(struct password_table *table, const struct app_password_change *change)
{
	size_t size = offsetof(struct app_password, texts);
	for (unsigned i = 0; i < APP_PASSWORD_TEXTS; i++)
		size += change->texts[i].size + 1;
	struct app_password *password = take_memory(table, size);
	if (password == NULL)
		return NULL;
	*password = (struct app_password){
		.created_s = clamp_number(change->created_s),
		.expires_s = clamp_number(change->expires_s),
		.messages_per_day = clamp_number(change->messages_per_day),
		.iterations = change->hash.iterations,
		.is_console = change->is_console,
	};
	memcpy(password->salt, change->hash.salt, sizeof(password->salt));
	memcpy(password->digest, change->hash.digest, sizeof(password->digest));
	memcpy(password->stored_key, change->hash.stored_key, sizeof(password->stored_key));
	memcpy(password->server_key, change->hash.server_key, sizeof(password->server_key));
	memcpy(password->id, change->id, sizeof(password->id));
	char *at = password->texts;
	for (unsigned i = 0; i < APP_PASSWORD_TEXTS; i++) {
		struct span text = change->texts[i];
		if (text.size)
			memcpy(at, text.data, text.size);
		at += text.size;
		*at++ = '\0';
	}
	return password;
}

static enum status link_password(struct password_table *table, struct app_password *password)
{
	uint64_t id = map_hash_text(&table->by_id, span_of(password->id));
	uint64_t owner = map_hash_text(&table->by_owner, span_of(password->owner));
	TRY(make_room(table));
	TRY(map_add(&table->by_id, &password->by_id, id));
	enum status status = map_add(&table->by_owner, &password->by_owner, owner);
	if (status != STATUS_OK) {
		map_remove(&table->by_id, &password->by_id);
		return status;
	}
	password->number = (uint32_t)table->count;
	table->order[table->count++] = password;
	return STATUS_OK;
}

static enum status create_password(struct password_table *table, const struct app_password_change *change,
				   struct app_password **out_changed)
{
	if (password_by_id(table, span_of(change->id)) || table->count == UINT32_MAX)
		return STATUS_INVALID;
	const char *owner = share_owner(table, change->owner);
	struct app_password *password = owner ? build_password(table, change) : NULL;
	if (password == NULL)
		return STATUS_NO_MEMORY; /* what was taken goes with the table */
	password->owner = owner;
	TRY(link_password(table, password));
	*out_changed = password;
	return STATUS_OK;
}

static enum status assign_password(struct password_table *table, struct app_password *password, struct span owner)
{
	const char *shared = share_owner(table, owner);
	if (shared == NULL)
		return STATUS_NO_MEMORY;
	map_remove(&table->by_owner, &password->by_owner);
	password->owner = shared;
	return map_add(&table->by_owner, &password->by_owner, map_hash_text(&table->by_owner, owner));
}

enum status table_apply(struct password_table *table, const struct app_password_change *change,
			struct app_password **out_changed)
{
	if (change->operation == CHANGE_CREATE)
		return create_password(table, change, out_changed);
	struct app_password *password = password_by_id(table, span_of(change->id));
	if (password == NULL)
		return STATUS_NOT_FOUND;
	if (change->operation == CHANGE_REVOKE)
		password->is_revoked = true;
	else if (change->operation == CHANGE_EXPIRE)
		password->expires_s = clamp_number(change->expires_s);
	else if (change->operation == CHANGE_ASSIGN)
		TRY(assign_password(table, password, change->owner));
	*out_changed = password;
	return STATUS_OK;
}
