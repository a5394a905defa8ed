/* The rule, by looking through all: places are few. */
#include "admin/places.h"

#include <stdbool.h>

static size_t count_of(const struct places *places, uint64_t peer)
{
	size_t count = 0;
	for (const struct place *place = places->oldest; place; place = place->newer)
		count += place->peer == peer;
	return count;
}

static struct place *find_oldest(const struct places *places, uint64_t peer, enum place_state state)
{
	struct place *place = places->oldest;
	while (place && (place->peer != peer || place->state != state))
		place = place->newer;
	return place;
}

static struct place *choose_of(const struct places *places, uint64_t peer)
{
	struct place *silent = find_oldest(places, peer, PLACE_SILENT);
	return silent ? silent : find_oldest(places, peer, PLACE_SERVED);
}

/* Of whoever holds most, among those who have one to give. */
static struct place *choose(const struct places *places)
{
	struct place *chosen = NULL;
	size_t most = 0;
	for (const struct place *place = places->oldest; place; place = place->newer) {
		struct place *leaver = choose_of(places, place->peer);
		size_t held = leaver ? count_of(places, place->peer) : 0;
		if (held > most) {
			most = held;
			chosen = leaver;
		}
	}
	return chosen;
}

enum status places_make_room(const struct places *places, uint64_t peer, struct place **out_leaver)
{
	bool beyond_share = count_of(places, peer) >= places->share;
	struct place *leaver = NULL;
	if (beyond_share)
		leaver = choose_of(places, peer);
	else if (places->count >= places->maximum)
		leaver = choose(places);
	if (leaver == NULL && (beyond_share || places->count >= places->maximum))
		return STATUS_UNAVAILABLE;
	*out_leaver = leaver;
	return STATUS_OK;
}

void places_add(struct places *places, struct place *place, uint64_t peer)
{
	*place = (struct place){ .state = PLACE_SILENT, .peer = peer, .older = places->newest };
	if (places->newest)
		places->newest->newer = place;
	else
		places->oldest = place;
	places->newest = place;
	places->count++;
}

void places_remove(struct places *places, struct place *place)
{
	if (place->older)
		place->older->newer = place->newer;
	else
		places->oldest = place->newer;
	if (place->newer)
		place->newer->older = place->older;
	else
		places->newest = place->older;
	places->count--;
}
