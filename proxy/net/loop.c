/*
 * The loop itself, and its turns. Owns one libev loop on epoll. Every descriptor
 * that it needs is made here, as a sandboxed role can't make one later. Fails
 * only at its creation.
 */
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/loop_ev.h"

/* ---- hooks and guests */

void loop_at_turn_end(struct loop *loop, struct turn_end *hook)
{
	loop_lists_append(&loop->lists, hook);
}

void loop_first_at_turn_end(struct loop *loop, struct turn_end *hook)
{
	loop_lists_prepend(&loop->lists, hook);
}

void loop_after_turn_end(struct loop *loop, struct turn_end *hook)
{
	loop_lists_append_after(&loop->lists, hook);
}

void loop_forget_turn_end(struct loop *loop, struct turn_end *hook)
{
	(void)loop;
	loop_lists_forget(hook);
}

void loop_take_in(struct loop *loop, struct loop_guest *guest)
{
	loop_lists_take_in(&loop->lists, guest);
}

/* ---- turns */

static void count_turn(struct loop *loop)
{
	loop->turn++;
	loop->turn_began_us = clock_monotonic_us();
	loop->now_ms = loop->turn_began_us / 1000;
}

static void begin_turn(struct ev_loop *ev, ev_check *check, int events)
{
	(void)ev;
	(void)events;
	struct loop *loop = check->data;
	count_turn(loop);
	loop->has_looked = true;
}

static void tell_turn(const struct loop *loop)
{
	if (loop->on_turn)
		loop->on_turn(loop->turn_context, clock_monotonic_us() - loop->turn_began_us);
}

static void end_turn(struct ev_loop *ev, ev_prepare *prepare, int events)
{
	struct loop *loop = prepare->data;
	(void)ev;
	(void)events;
	loop_lists_run(&loop->lists);
	tell_turn(loop);
}

void loop_on_turn(struct loop *loop, void (*on_turn)(void *context, uint64_t duration_us), void *context)
{
	loop->on_turn = on_turn;
	loop->turn_context = context;
}

/* libev makes its eventfd with the first async or signal watcher: make it now. */
static void make_eventfd(struct loop *loop)
{
	ev_async first;
	ev_async_init(&first, NULL);
	ev_async_start(loop->ev, &first);
	ev_async_stop(loop->ev, &first);
}

enum status loop_create(struct loop **out_loop)
{
	TRY(loop_memory_begin());
	struct loop *loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return STATUS_NO_MEMORY;
	/* No environment variable chooses the backend; no signalfd, no timerfd. */
	loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOTIMERFD);
	if (loop->ev == NULL) {
		free(loop);
		return STATUS_SYSTEM;
	}
	/* OpenSSL writes with write(2), which raises it when the peer is gone. */
	signal(SIGPIPE, SIG_IGN);
	make_eventfd(loop);
	ev_check_init(&loop->turn_begin, begin_turn);
	ev_set_priority(&loop->turn_begin, EV_MAXPRI);
	loop->turn_begin.data = loop;
	ev_check_start(loop->ev, &loop->turn_begin);
	ev_prepare_init(&loop->turn_end, end_turn);
	loop->turn_end.data = loop;
	ev_prepare_start(loop->ev, &loop->turn_end);
	*out_loop = loop;
	return STATUS_OK;
}

void loop_run(struct loop *loop)
{
	count_turn(loop);
	ev_now_update(loop->ev);
	loop->running = true;
	loop->has_looked = false;
	while (!loop->stopping)
		ev_run(loop->ev, 0);
	loop_lists_run(&loop->lists);
	tell_turn(loop);
	loop->running = false;
	loop->stopping = false;
}

/* Only there to wake the loop. */
static void note_limit(struct ev_loop *ev, ev_timer *limit, int events)
{
	(void)ev;
	(void)limit;
	(void)events;
}

void loop_finish(struct loop *loop, uint64_t limit_ms)
{
	ev_timer limit;
	count_turn(loop);
	ev_now_update(loop->ev);
	ev_timer_init(&limit, note_limit, (double)limit_ms / 1000, 0);
	ev_timer_start(loop->ev, &limit);
	loop->running = true;
	loop->has_looked = false;
	while (loop->lists.guests && ev_is_active(&limit))
		ev_run(loop->ev, EVRUN_ONCE);
	loop->running = false;
	ev_timer_stop(loop->ev, &limit);
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
	ev_break(loop->ev, EVBREAK_ALL);
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	loop_lists_end_guests(&loop->lists);
	ev_loop_destroy(loop->ev);
	free(loop);
}

uint64_t loop_turn(const struct loop *loop)
{
	return loop->turn;
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return loop->running ? loop->now_ms : clock_monotonic_ms();
}
