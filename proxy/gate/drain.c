/* Draining. Owns the timer of its limit, which stands in the gate. */
#include "gate/drain.h"

#include <inttypes.h>

#include "base/log.h"
#include "gate/arrival.h"
#include "gate/departure.h"
#include "gate/ports.h"
#include "gate/session_life.h"

/* Driving a session may free it, so the next one is looked up before. */
static void tell_sessions(struct gate *gate, bool now)
{
	for (struct session *s = TAILQ_FIRST(&gate->sessions), *next; s; s = next) {
		next = TAILQ_NEXT(s, in_gate);
		session_on_drain(s, now);
	}
}

static void on_expired(void *context)
{
	struct gate *gate = context;
	if (gate->drain_rest_ms) {
		timer_set(gate->drain_timer, gate->drain_rest_ms);
		gate->drain_rest_ms = 0;
		tell_sessions(gate, false);
		return;
	}
	log_info("%" PRIu64 " sessions did not end in time and are closed",
		 gate->open_count + gate->authenticated_count);
	tell_sessions(gate, true);
	arrival_end_all(gate);
	departure_note(gate);
}

enum status drain_prepare(struct gate *gate)
{
	return timer_make(gate->loop, on_expired, gate, &gate->drain_timer);
}

void drain_begin(void *state, uint64_t limit_ms, enum role_drain how)
{
	struct gate *gate = state;
	bool was_draining = gate->draining;
	ports_finish(gate); /* whoever comes in with it is there before the last one may have gone */
	gate->draining = true;
	gate->drain = how;
	gate->drain_rest_ms = how == ROLE_DRAIN_RENEWED ? limit_ms / 2 : 0;
	timer_set(gate->drain_timer, limit_ms - gate->drain_rest_ms);
	if (!was_draining)
		departure_note(gate); /* nobody may be here */
	tell_sessions(gate, false);
}
