/* A map of places, and a list in the order of the last login. Owns its entries. */
#include "auth/guesses/known.h"

#include <stdlib.h>

#include "base/map.h"

struct known_place {
	struct map_link link; /* its hash is all that is known of user and place */
	struct known_place *older, *newer;
	uint64_t at_ms;
	bool was_told; /* to Redis */
	uint64_t told_ms;
};

/* Invariant: every place stands in the table and in the list oldest..newest, which is in the order of at_ms. */
struct known_places {
	struct map table;
	struct known_place *oldest, *newest;
};

enum status known_create(struct known_places **out_known)
{
	struct known_places *known = calloc(1, sizeof(*known));
	if (known == NULL)
		return STATUS_NO_MEMORY;
	enum status status = map_init(&known->table);
	if (status != STATUS_OK) {
		free(known);
		return status;
	}
	*out_known = known;
	return STATUS_OK;
}

static void unlink_place(struct known_places *known, struct known_place *place)
{
	*(place->older ? &place->older->newer : &known->oldest) = place->newer;
	*(place->newer ? &place->newer->older : &known->newest) = place->older;
}

static void append_place(struct known_places *known, struct known_place *place)
{
	place->newer = NULL;
	place->older = known->newest;
	*(known->newest ? &known->newest->newer : &known->oldest) = place;
	known->newest = place;
}

static void drop_place(struct known_places *known, struct known_place *place)
{
	unlink_place(known, place);
	map_remove(&known->table, &place->link);
	free(place);
}

void known_free(struct known_places **known)
{
	if (*known == NULL)
		return;
	while ((*known)->oldest)
		drop_place(*known, (*known)->oldest);
	map_free(&(*known)->table);
	free(*known);
	*known = NULL;
}

/* 64 bits, seeded: nobody outside can find two that are the same. */
static uint64_t hash_place(const struct known_places *known, const char *user, const char *place)
{
	return map_hash_numbers(&known->table, map_hash_text(&known->table, span_of(user)),
				map_hash_text(&known->table, span_of(place)));
}

static struct known_place *find_place(const struct known_places *known, const char *user, const char *place)
{
	struct map_link *link = map_first(&known->table, hash_place(known, user, place));
	return link ? MAP_OWNER(link, struct known_place, link) : NULL;
}

bool known_has(const struct known_places *known, const char *user, const char *place, uint64_t now_ms)
{
	const struct known_place *found = find_place(known, user, place);
	return found && now_ms - found->at_ms < KNOWN_MS;
}

static struct known_place *make_place(struct known_places *known, uint64_t hash)
{
	if (known->table.count >= KNOWN_MAXIMUM)
		drop_place(known, known->oldest);
	struct known_place *place = calloc(1, sizeof(*place));
	if (place && map_add(&known->table, &place->link, hash) != STATUS_OK) {
		free(place);
		return NULL;
	}
	return place;
}

bool known_note(struct known_places *known, const char *user, const char *place, uint64_t now_ms)
{
	struct known_place *found = find_place(known, user, place);
	if (found == NULL)
		found = make_place(known, hash_place(known, user, place));
	else
		unlink_place(known, found);
	if (found == NULL)
		return true; /* out of memory: Redis may know it */
	append_place(known, found);
	found->at_ms = now_ms;
	return !found->was_told || now_ms - found->told_ms >= KNOWN_TELL_MS;
}

void known_tell(struct known_places *known, const char *user, const char *place, uint64_t now_ms)
{
	struct known_place *found = find_place(known, user, place);
	if (found == NULL)
		return;
	found->was_told = true;
	found->told_ms = now_ms;
}
