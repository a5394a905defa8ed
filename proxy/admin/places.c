/* Looks through all places each time: they are few. */
#include "admin/places.h"

#include <stdbool.h>

static size_t count_places_of(const struct places *places, uint64_t peer)
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

static struct place *find_leaver_of(const struct places *places, uint64_t peer)
{
	struct place *silent = find_oldest(places, peer, PLACE_SILENT);
	return silent ? silent : find_oldest(places, peer, PLACE_SERVED);
}

/* A place of the peer that holds most, among those that have one to give up. */
static struct place *find_leaver(const struct places *places)
{
	struct place *chosen = NULL;
	size_t most = 0;
	for (const struct place *place = places->oldest; place; place = place->newer) {
		struct place *leaver = find_leaver_of(places, place->peer);
		size_t held = leaver ? count_places_of(places, place->peer) : 0;
		if (held > most) {
			most = held;
			chosen = leaver;
		}
	}
	return chosen;
}

enum status places_make_room(const struct places *places, uint64_t peer, struct place **out_leaver)
{
	bool beyond_share = count_places_of(places, peer) >= places->share;
	struct place *leaver = NULL;
	if (beyond_share)
		leaver = find_leaver_of(places, peer);
	else if (places->count >= places->maximum)
		leaver = find_leaver(places);
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
