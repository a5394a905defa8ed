/*
 * Failed handshakes. One line of the log stands for all of a minute, as a wrong client, or a scanner, is wrong again
 * and again. A client that only connects and hangs up, as health checks do, is counted and not logged. Owns nothing.
 */
#include "gate/handshake.h"

#include <inttypes.h>

#include "base/log.h"

#define LINE_MS 60000U /* between two lines of one gate */

_Static_assert(TLS_FAULTS <= STATS_SECOND_LABELS, "each fault has a label of its own");

void handshake_note_failure(const struct session *s)
{
	struct gate *gate = s->gate;
	struct handshake_failures *failures = &gate->handshake_failures;
	enum tls_fault fault = stream_tls_fault(s->stream);
	uint64_t now = loop_now_ms(gate->loop);
	stats_add(gate->role->stats, COUNTER_TLS_FAILURES, s->listener->index * STATS_SECOND_LABELS + (unsigned)fault,
		  1);
	if (fault == TLS_FAULT_LOST)
		return;
	if (failures->told_ms && now - failures->told_ms < LINE_MS) {
		failures->silent++;
		return;
	}
	log_info("listener %s: no TLS with %s: %s (%" PRIu64 " more since the last such line)",
		 s->listener->config->name, s->address, stream_error(s->stream), failures->silent);
	*failures = (struct handshake_failures){ .told_ms = now };
}
