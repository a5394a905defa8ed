/*
 * The end, in order: gates finish their sessions, then auth, relay and admin what they began, then
 * audit.anchor_command gets the last head, then Redis stops. Owns
 * nothing.
 */
#include "supervise/notify.h"
#include "supervise/supervisor.h"

/* For auth, relay and admin once the gates are gone: refunds, the audit's last records. */
#define LAST_LIMIT_MS 30000
/* The same, after a second signal. */
#define HURRY_LIMIT_MS 2000

void ending_take_redis_stopped(void *context)
{
	struct supervisor *supervisor = context;
	log_info("ended");
	supervisor->exit_code = 0;
	loop_stop(supervisor->loop);
}

static bool any_process(const struct supervisor *supervisor, bool gates_only)
{
	bool any = generation_has(supervisor->current, gates_only);
	for (const struct generation *g = supervisor->outgoing; g && !any; g = g->next)
		any = generation_has(g, gates_only);
	return any;
}

static void drain_last(struct supervisor *supervisor, uint64_t limit_ms)
{
	supervisor->stage = STAGE_CLOSING;
	generation_drain_last(supervisor->current, limit_ms);
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		generation_drain_last(g, limit_ms);
}

static void stop_redis(void *context)
{
	struct supervisor *supervisor = context;
	if (supervisor->redis)
		embedded_redis_stop(supervisor->redis);
	else
		ending_take_redis_stopped(supervisor);
}

void ending_advance(struct supervisor *supervisor)
{
	if (supervisor->stage == STAGE_DRAINING && !any_process(supervisor, true))
		drain_last(supervisor, LAST_LIMIT_MS);
	if (supervisor->stage != STAGE_CLOSING || any_process(supervisor, false))
		return;
	supervisor->stage = STAGE_STOPPING;
	anchor_command_end(supervisor->anchor, stop_redis, supervisor);
}

void ending_begin(struct supervisor *supervisor)
{
	if (supervisor->stage > STAGE_SERVING)
		return;
	supervisor->stage = STAGE_DRAINING;
	notify_stopping();
	log_info("ending: sessions may finish within %llu s",
		 (unsigned long long)supervisor->current->config->global.drain_timeout / 1000);
	if (supervisor->incoming)
		reload_fail(supervisor, "subgate is ending");
	sockets_close_gates(&supervisor->sockets);
	generation_drain(supervisor->current, supervisor->current->config->global.drain_timeout, ROLE_DRAIN_ENDS);
	for (struct generation *g = supervisor->outgoing; g; g = g->next) /* they have no successors any more */
		generation_drain(g, supervisor->current->config->global.drain_timeout, ROLE_DRAIN_ENDS);
	ending_advance(supervisor);
}

/*
 * The first signal ends all in order. The second ends gates at once, and leaves the others a moment for what is under
 * way. The third ends all at once.
 */
void ending_take_termination(void *context)
{
	struct supervisor *supervisor = context;
	supervisor->terminations++;
	if (supervisor->terminations == 1) {
		ending_begin(supervisor);
		return;
	}
	log_warning("asked to end once more: at once");
	bool gates_only = supervisor->terminations == 2;
	if (!gates_only)
		anchor_command_give_up(supervisor->anchor);
	generation_kill(supervisor->current, gates_only);
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		generation_kill(g, gates_only);
	if (supervisor->stage == STAGE_DRAINING)
		drain_last(supervisor, HURRY_LIMIT_MS);
}
