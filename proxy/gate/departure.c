/* The end of a draining gate. Owns nothing. */
#include "gate/departure.h"

#include "gate/gate.h"

void departure_note(struct gate *gate)
{
	if (!gate->draining || !TAILQ_EMPTY(&gate->sessions) || !TAILQ_EMPTY(&gate->arrivals))
		return;
	/* While there is a turn left in which the relay door can be written to. */
	refused_tell(&gate->refused);
	anonymous_tell(&gate->anonymous);
	role_finish(gate->role);
}
