/* net/loop.h, played: each turn is one event or a few, then the hooks of its end, as in the real one. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/loop_lists.h"
#include "tests/simulate/world.h"

struct loop {
	struct process *process;
	struct loop_lists lists;
	uint64_t turn, now_us;
	bool is_running, is_stopping;
};

struct timer {
	struct loop *loop;
	void (*on_expired)(void *context);
	void *context;
	uint64_t due_us; /* 0: none */
	struct sim_event *event;
};

struct watch {
	struct loop *loop;
	int fd;
	unsigned events;
	void (*on_ready)(void *context, unsigned events);
	void *context;
	struct sim_event *event;
	struct watch *next, **link;
};

struct wakeup {
	struct loop *loop;
	void (*on_woken)(void *context);
	void *context;
	struct sim_event *event;
};

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

void sim_turn(struct process *process, void (*run)(void *context), void *context)
{
	struct loop *loop = process->loop;
	struct process *former = sim_process;
	assert(!loop->is_running);
	sim_enter(process);
	loop->turn++;
	loop->now_us = sim_now_us;
	loop->is_running = true;
	run(context);
	loop_lists_run(&loop->lists);
	loop->is_running = false;
	sim_pump_streams(process);
	sim_enter(former);
}

struct planned_turn {
	struct process *process;
	void (*run)(void *context);
	void *context;
};

static void run_planned(void *context)
{
	struct planned_turn planned = *(struct planned_turn *)context;
	free(context);
	sim_turn(planned.process, planned.run, planned.context);
}

struct sim_event *sim_turn_after(struct process *process, uint64_t delay_us, void (*run)(void *context), void *context)
{
	struct planned_turn *planned = malloc(sizeof(*planned));
	assert(planned);
	*planned = (struct planned_turn){ process, run, context };
	return sim_after(process, delay_us, run_planned, planned);
}

enum status loop_create(struct loop **out_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	assert(loop);
	loop->process = sim_process;
	*out_loop = loop;
	return STATUS_OK;
}

void loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
}

void loop_free(struct loop *loop)
{
	loop_lists_end_guests(&loop->lists);
	free(loop);
}

uint64_t loop_turn(const struct loop *loop)
{
	return loop->turn;
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return 1000000 + (loop->is_running ? loop->now_us : sim_now_us) / 1000;
}

void loop_on_turn(struct loop *loop, void (*on_turn)(void *context, uint64_t duration_us), void *context)
{
	(void)loop, (void)on_turn, (void)context;
}

/* ---- timers: a later deadline keeps the event that is there */

static void plan_timer(struct timer *timer);

static void expire_timer(void *context)
{
	struct timer *timer = context;
	timer->event = NULL;
	if (timer->due_us == 0)
		return;
	if (timer->due_us > sim_now_us) {
		plan_timer(timer);
		return;
	}
	timer->due_us = 0;
	timer->on_expired(timer->context);
}

static void plan_timer(struct timer *timer)
{
	timer->event = sim_turn_after(timer->loop->process, timer->due_us - sim_now_us, expire_timer, timer);
}

enum status timer_make(struct loop *loop, void (*on_expired)(void *context), void *context, struct timer **out_timer)
{
	struct timer *timer = calloc(1, sizeof(*timer));
	assert(timer);
	*timer = (struct timer){ .loop = loop, .on_expired = on_expired, .context = context };
	*out_timer = timer;
	return STATUS_OK;
}

void timer_set(struct timer *timer, uint64_t delay_ms)
{
	uint64_t before_us = timer->due_us;
	timer->due_us = sim_now_us + delay_ms * 1000 + 1 + sim_draw(1000);
	if (timer->event && before_us && before_us <= timer->due_us)
		return;
	sim_cancel(&timer->event);
	plan_timer(timer);
}

void timer_clear(struct timer *timer)
{
	timer->due_us = 0;
	sim_cancel(&timer->event);
}

void timer_free(struct timer **timer)
{
	if (*timer == NULL)
		return;
	timer_clear(*timer);
	free(*timer);
	*timer = NULL;
}

/* ---- watches, on the real descriptors of doors, whose other end is in this process too */

static struct watch *watches;
static bool is_anything_moved; /* sent or closed: only that makes a descriptor ready that was not */

enum status watch_create(struct loop *loop, int fd, unsigned events, void (*on_ready)(void *context, unsigned events),
			 void *context, struct watch **out_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	assert(watch);
	*watch = (struct watch){ loop, fd, events, on_ready, context, NULL, watches, &watches };
	if (watches)
		watches->link = &watch->next;
	watches = watch;
	*out_watch = watch;
	return STATUS_OK;
}

void watch_set(struct watch *watch, unsigned events)
{
	watch->events = events;
}

static void forget_watch(struct watch *watch)
{
	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
	sim_cancel(&watch->event);
	is_anything_moved = true;
	free(watch);
}

void watch_free(struct watch **watch)
{
	if (*watch)
		forget_watch(*watch);
	*watch = NULL;
}

void sim_drop_watches(struct process *process)
{
	is_anything_moved = true;
	struct watch *watch = watches;
	while (watch) {
		struct watch *next = watch->next;
		if (watch->loop->process == process)
			forget_watch(watch);
		watch = next;
	}
}

static unsigned ready_events(const struct watch *watch)
{
	struct pollfd look = { .fd = watch->fd };
	unsigned ready = 0;
	look.events = (short)((watch->events & WATCH_READ ? POLLIN : 0) | (watch->events & WATCH_WRITE ? POLLOUT : 0));
	if (look.events == 0 || poll(&look, 1, 0) <= 0)
		return 0;
	if (look.revents & (POLLIN | POLLHUP | POLLERR))
		ready |= watch->events & WATCH_READ;
	if (look.revents & (POLLOUT | POLLERR))
		ready |= watch->events & WATCH_WRITE;
	return ready;
}

static void tell_ready(void *context)
{
	struct watch *watch = context;
	unsigned ready = ready_events(watch);
	watch->event = NULL;
	is_anything_moved = true; /* more may wait there */
	if (ready)
		watch->on_ready(watch->context, ready);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	is_anything_moved = true;
	return __real_sendmsg(fd, message, flags);
}

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	is_anything_moved = true;
	return __real_send(fd, bytes, size, flags);
}

void sim_look_at_watches(void)
{
	if (!is_anything_moved)
		return;
	is_anything_moved = false;
	for (struct watch *watch = watches; watch; watch = watch->next)
		if (watch->event == NULL && ready_events(watch))
			watch->event = sim_turn_after(watch->loop->process, 5 + sim_draw(200), tell_ready, watch);
}

/* ---- wakeups: threads are played, so a send is a plain call */

static void tell_woken(void *context)
{
	struct wakeup *wakeup = context;
	wakeup->event = NULL;
	wakeup->on_woken(wakeup->context);
}

enum status wakeup_create(struct loop *loop, void (*on_woken)(void *context), void *context, struct wakeup **out_wakeup)
{
	struct wakeup *wakeup = calloc(1, sizeof(*wakeup));
	assert(wakeup);
	*wakeup = (struct wakeup){ loop, on_woken, context, NULL };
	*out_wakeup = wakeup;
	return STATUS_OK;
}

void wakeup_send(struct wakeup *wakeup)
{
	if (wakeup->event == NULL)
		wakeup->event = sim_turn_after(wakeup->loop->process, 5 + sim_draw(500), tell_woken, wakeup);
}

void wakeup_free(struct wakeup **wakeup)
{
	if (*wakeup == NULL)
		return;
	sim_cancel(&(*wakeup)->event);
	free(*wakeup);
	*wakeup = NULL;
}
