/* Counters of a gate. Owns nothing, can't fail. */
#include "gate/count.h"

#include "gate/gate.h"

void count_refused(struct gate *gate, enum stats_refusal reason)
{
	stats_add(gate->role->stats, COUNTER_REFUSED, (unsigned)reason, 1);
}

void count_sessions(struct gate *gate)
{
	stats_set(gate->role->stats, COUNTER_SESSIONS, 0, gate->open_count);
	stats_set(gate->role->stats, COUNTER_SESSIONS, 1, gate->authenticated_count);
}
