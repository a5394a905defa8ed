/*
 * Timers, lazy: a deadline moved to later is only noted, and the libev timer
 * that then fires too early is set for the rest. A session that moves its
 * deadline with each line costs nothing.
 */
#include "net/loop_ev.h"

/* Invariant: while is_set, the libev timer is active and fires at `armed_ms` <= deadline_ms. */
struct timer {
	ev_timer ev;
	struct loop *loop;
	void (*on_expired)(void *context);
	void *context;
	uint64_t deadline_ms; /* loop_now_ms of it */
	uint64_t armed_ms;
	bool is_set;
};

static void arm_timer(struct timer *timer, uint64_t delay_ms, uint64_t now_ms)
{
	ev_timer_stop(timer->loop->ev, &timer->ev);
	ev_timer_set(&timer->ev, (double)delay_ms / 1000.0, 0.0);
	ev_timer_start(timer->loop->ev, &timer->ev);
	timer->armed_ms = now_ms + delay_ms;
}

static void fire_timer(struct ev_loop *ev, ev_timer *at, int events)
{
	struct timer *timer = at->data;
	uint64_t now_ms = loop_now_ms(timer->loop);
	(void)ev;
	(void)events;
	if (!timer->is_set)
		return;
	if (timer->deadline_ms > now_ms) {
		arm_timer(timer, timer->deadline_ms - now_ms, now_ms);
		return;
	}
	timer->is_set = false;
	timer->on_expired(timer->context);
}

enum status timer_make(struct loop *loop, void (*on_expired)(void *context), void *context, struct timer **out_timer)
{
	struct timer *timer = loop_memory_take(sizeof(*timer), -1);
	if (timer == NULL)
		return STATUS_NO_MEMORY;
	timer->loop = loop;
	timer->on_expired = on_expired;
	timer->context = context;
	ev_init(&timer->ev, fire_timer);
	timer->ev.data = timer;
	*out_timer = timer;
	return STATUS_OK;
}

void timer_set(struct timer *timer, uint64_t delay_ms)
{
	uint64_t now_ms = loop_now_ms(timer->loop);
	timer->deadline_ms = now_ms + delay_ms;
	timer->is_set = true;
	if (ev_is_active(&timer->ev) && timer->armed_ms <= timer->deadline_ms)
		return;
	if (!timer->loop->running)
		ev_now_update(timer->loop->ev);
	arm_timer(timer, delay_ms, now_ms);
}

void timer_clear(struct timer *timer)
{
	timer->is_set = false;
}

void timer_free(struct timer **timer)
{
	if (*timer == NULL)
		return;
	ev_timer_stop((*timer)->loop->ev, &(*timer)->ev);
	loop_memory_give(*timer);
	*timer = NULL;
}
