/*
 * Which connections may stay where places are few, as on the control socket and the metrics
 * port: nobody can use them up by keeping silent. Where there is no room the oldest connection that
 * has asked nothing gives way, of the peer that holds most; one peer alone holds no more than its share.
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
	PLACE_SERVED, /* has had an answer, and asks nothing now */
	PLACE_BUSY,   /* waits for an answer: never gives way */
};

struct place {
	enum place_state state; /* its owner's to set */
	uint64_t peer;          /* any number that stands for who it is */
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
 * Is there room for one more of this peer? STATUS_OK: yes, once *out_leaver (NULL: nobody) has left,
 * which its owner sees to at once. STATUS_UNAVAILABLE: no, all that could give way are busy.
 */
MUST_USE enum status places_make_room(const struct places *places, uint64_t peer, struct place **out_leaver);
void places_add(struct places *places, struct place *place, uint64_t peer); /* silent */
void places_remove(struct places *places, struct place *place);

#endif
