/* Measures turns. Owns nothing. Costs two reads of the clock and two additions a turn. */
#include "role/turns.h"

#include <inttypes.h>

#include "base/log.h"

/* A turn this long is worth a log line: a client would notice. */
#define LONG_TURN_US 1000000U
/* Between two such lines. */
#define LINE_MS 60000U

static struct {
	struct loop *loop;
	struct stats *stats;
	enum role_kind role;
	uint64_t told_ms;
	uint64_t silent; /* long turns since then */
} turns;

static void tell_long_turn(uint64_t duration_us)
{
	uint64_t now = loop_now_ms(turns.loop);
	if (turns.told_ms && now - turns.told_ms < LINE_MS) {
		turns.silent++;
		return;
	}
	log_warning("nobody was served for %" PRIu64 " ms: one turn of the event loop took that long (%" PRIu64
		    " more since the last such line)",
		    duration_us / 1000, turns.silent);
	turns.told_ms = now;
	turns.silent = 0;
}

static void note_turn(void *context, uint64_t duration_us)
{
	(void)context;
	stats_observe_us(turns.stats, COUNTER_LOOP_TURN, turns.role, duration_us);
	stats_note_longest_us(turns.stats, COUNTER_LOOP_TURN_LONGEST, turns.role, duration_us);
	if (duration_us >= LONG_TURN_US)
		tell_long_turn(duration_us);
}

void turns_measure(struct loop *loop, struct stats *stats, enum role_kind role)
{
	turns.loop = loop;
	turns.stats = stats;
	turns.role = role;
	loop_on_turn(loop, note_turn, NULL);
}
