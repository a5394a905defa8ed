/*
 * Watches, wakeups and signals: libev's watchers with a plain callback. A
 * callback may free the watcher it came from, so nothing is touched after it.
 */
#include "net/loop_ev.h"

/* ---- watches */

struct watch {
	ev_io ev;
	struct loop *loop;
	void (*on_ready)(void *context, unsigned events);
	void *context;
	uint64_t since;   /* the loop's turn in which its present events began to be watched */
	uint64_t told;    /* the last one in which it was ready */
	uint64_t emptied; /* the last one in which all was read */
};

static void report_ready(struct ev_loop *ev, ev_io *io, int events)
{
	struct watch *watch = io->data;
	unsigned ready = 0;
	(void)ev;
	watch->told = watch->loop->turn;
	/* EV_ERROR: the descriptor is not watchable; its next use tells why. */
	if (events & (EV_READ | EV_ERROR))
		ready |= WATCH_READ;
	if (events & (EV_WRITE | EV_ERROR))
		ready |= WATCH_WRITE;
	watch->on_ready(watch->context, ready);
}

static int ev_events(unsigned events)
{
	return (events & WATCH_READ ? EV_READ : 0) | (events & WATCH_WRITE ? EV_WRITE : 0);
}

enum status watch_create(struct loop *loop, int fd, unsigned events, void (*on_ready)(void *context, unsigned events),
			 void *context, struct watch **out_watch)
{
	struct watch *watch = loop_memory_take(sizeof(*watch), fd);
	if (watch == NULL)
		return STATUS_NO_MEMORY;
	watch->loop = loop;
	watch->on_ready = on_ready;
	watch->context = context;
	watch->since = loop->turn;
	ev_io_init(&watch->ev, report_ready, fd, ev_events(events));
	watch->ev.data = watch;
	if (events)
		ev_io_start(loop->ev, &watch->ev);
	*out_watch = watch;
	return STATUS_OK;
}

void watch_set(struct watch *watch, unsigned events)
{
	bool same = (watch->ev.events & (EV_READ | EV_WRITE)) == ev_events(events);
	if (same && (ev_is_active(&watch->ev) || events == 0))
		return;
	int fd = watch->ev.fd;
	ev_io_stop(watch->loop->ev, &watch->ev);
	ev_io_set(&watch->ev, fd, ev_events(events));
	watch->since = watch->loop->turn;
	if (events)
		ev_io_start(watch->loop->ev, &watch->ev);
}

void watch_note_emptied(struct watch *watch)
{
	watch->emptied = watch->loop->turn;
}

/* libev notes all that is ready before it calls anybody. */
bool watch_has_been_quiet(const struct watch *watch)
{
	const struct loop *loop = watch->loop;
	bool was_watched = ev_is_active(&watch->ev) && (watch->ev.events & EV_READ) && watch->since < loop->turn;
	bool is_read = watch->told < loop->turn || watch->emptied == loop->turn;
	return loop->running && loop->has_looked && was_watched && is_read && !ev_is_pending(&watch->ev);
}

void watch_free(struct watch **watch)
{
	if (*watch == NULL)
		return;
	ev_io_stop((*watch)->loop->ev, &(*watch)->ev);
	loop_memory_give(*watch);
	*watch = NULL;
}

/* ---- wakeups */

struct wakeup {
	ev_async ev;
	struct loop *loop;
	void (*on_woken)(void *context);
	void *context;
};

static void report_woken(struct ev_loop *ev, ev_async *async, int events)
{
	struct wakeup *wakeup = async->data;
	(void)ev;
	(void)events;
	wakeup->on_woken(wakeup->context);
}

enum status wakeup_create(struct loop *loop, void (*on_woken)(void *context), void *context, struct wakeup **out_wakeup)
{
	struct wakeup *wakeup = loop_memory_take(sizeof(*wakeup), -1);
	if (wakeup == NULL)
		return STATUS_NO_MEMORY;
	wakeup->loop = loop;
	wakeup->on_woken = on_woken;
	wakeup->context = context;
	ev_async_init(&wakeup->ev, report_woken);
	wakeup->ev.data = wakeup;
	ev_async_start(loop->ev, &wakeup->ev);
	*out_wakeup = wakeup;
	return STATUS_OK;
}

void wakeup_send(struct wakeup *wakeup)
{
	ev_async_send(wakeup->loop->ev, &wakeup->ev);
}

void wakeup_free(struct wakeup **wakeup)
{
	if (*wakeup == NULL)
		return;
	ev_async_stop((*wakeup)->loop->ev, &(*wakeup)->ev);
	loop_memory_give(*wakeup);
	*wakeup = NULL;
}

/* ---- signals */

struct signal_watch {
	ev_signal ev;
	struct loop *loop;
	void (*on_signal)(void *context);
	void *context;
};

static void report_signal(struct ev_loop *ev, ev_signal *at, int events)
{
	struct signal_watch *watch = at->data;
	(void)ev;
	(void)events;
	watch->on_signal(watch->context);
}

enum status signal_watch_create(struct loop *loop, int number, void (*on_signal)(void *context), void *context,
				struct signal_watch **out_watch)
{
	struct signal_watch *watch = loop_memory_take(sizeof(*watch), -1);
	if (watch == NULL)
		return STATUS_NO_MEMORY;
	watch->loop = loop;
	watch->on_signal = on_signal;
	watch->context = context;
	ev_signal_init(&watch->ev, report_signal, number);
	watch->ev.data = watch;
	ev_signal_start(loop->ev, &watch->ev);
	*out_watch = watch;
	return STATUS_OK;
}

void signal_watch_free(struct signal_watch **watch)
{
	if (*watch == NULL)
		return;
	ev_signal_stop((*watch)->loop->ev, &(*watch)->ev);
	loop_memory_give(*watch);
	*watch = NULL;
}
