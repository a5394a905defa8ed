/*
 * Which connections may stay when places are few, as on the control socket and the metrics port:
 * nobody can use them up by staying silent. When there is no room, the peer that holds most places
 * gives up its oldest connection that has asked nothing. No peer holds more than its share.
 *
 * Pure: it closes nothing. A place is embedded in its owner's connection.
 */
#ifndef ADMIN_PLACES_H
#define ADMIN_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum place_state {
	PLACE_SILENT, /* asked nothing yet: gives way first */
	PLACE_SERVED, /* has had an answer, and is asking nothing now */
	PLACE_BUSY,   /* waits for an answer: never gives way */
};

struct place {
	enum place_state state; /* its owner's to set */
	uint64_t peer;          /* any number that identifies its peer */
	struct place *newer, *older;
};

/* Invariant: newest and oldest are NULL iff count == 0. */
struct places {
	size_t maximum; /* of all peers */
	size_t share;   /* of one */
	size_t count;
	struct place *newest, *oldest;
};

/*
 * Is there room for one more connection of this peer? STATUS_OK: yes, once *out_leaver has left, which
 * the caller sees to at once (NULL: nobody has to). STATUS_UNAVAILABLE: no, all that could give way are busy.
 */
MUST_USE enum status places_make_room(const struct places *places, uint64_t peer, struct place **out_leaver);
void places_add(struct places *places, struct place *place, uint64_t peer); /* silent */
void places_remove(struct places *places, struct place *place);

#endif
