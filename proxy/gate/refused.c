/* Records of refused clients, at a bounded rate. Owns a timer. */
#include "gate/refused.h"

#include "base/log.h"
#include "door/messages.h"
#include "gate/gate.h"

#define WINDOW_MS 1000U

static const struct pace_limit limit = { .burst = REFUSED_RECORDS_AT_ONCE, .a_second = 1 };

static bool tell_refusal(struct refused *refused, const struct door_session_refused *message)
{
	struct relay_door *relay = &refused->gate->relay;
	return !relay_door_is_full(relay) && relay_door_session_refused(relay, message) == STATUS_OK;
}

/* True when nothing is left. */
static bool tell_left_out(struct refused *refused)
{
	bool all = true;
	for (unsigned reason = 0; reason < REFUSAL_COUNT; reason++) {
		const struct door_session_refused message = { .reason = span_of(stats_refusal_text(reason)),
							      .count = refused->left_out[reason] };
		if (message.count == 0)
			continue;
		if (tell_refusal(refused, &message))
			refused->left_out[reason] = 0;
		else
			all = false;
	}
	return all;
}

static void run_timer(struct refused *refused)
{
	if (!refused->runs)
		timer_set(refused->timer, WINDOW_MS);
	refused->runs = true;
}

static void on_window_over(void *context)
{
	struct refused *refused = context;
	refused->runs = false;
	if (!tell_left_out(refused))
		run_timer(refused);
}

enum status refused_begin(struct refused *refused, struct gate *gate)
{
	*refused = (struct refused){ .gate = gate };
	return timer_make(gate->loop, on_window_over, refused, &refused->timer);
}

bool refused_may_tell(struct refused *refused)
{
	if (pace_take(&refused->pace, &limit, 1, loop_now_ms(refused->gate->loop)))
		return true;
	run_timer(refused);
	return false;
}

void refused_note(struct refused *refused, enum stats_refusal reason, struct span address, uint16_t port,
		  struct span listener)
{
	const struct door_session_refused message = {
		.reason = span_of(stats_refusal_text(reason)),
		.address = address,
		.port = port,
		.listener = listener,
		.count = 1,
	};
	if (refused_may_tell(refused) && tell_refusal(refused, &message))
		return;
	refused->left_out[reason]++;
	run_timer(refused);
}

void refused_tell(struct refused *refused)
{
	if (!tell_left_out(refused))
		run_timer(refused);
}

void refused_end(struct refused *refused)
{
	if (refused->timer && !tell_left_out(refused))
		log_warning("clients were refused, and the audit was not told how many");
	timer_free(&refused->timer);
}
