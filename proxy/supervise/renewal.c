/*
 * Two sides: the loop's says which files to follow, and hands over what was renewed; the thread's looks
 * (renewal_look.c). They share what is under the mutex. A thread that hangs in a file system is left behind at the end.
 */
#include "supervise/renewal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pace.h"
#include "base/thread.h"
#include "supervise/renewal_look.h"

#define RETRY_MS 1000           /* after "not now" */
#define STACK_SIZE (512U << 10) /* bytes */
#define END_LIMIT_S 2
#define COST 60 /* units: three renewals at once, and one a minute in the long run, as each one starts new processes */

static const struct pace_limit pace_limit = { .burst = 3 * COST, .a_second = 1 };

struct renewal {
	struct loop *loop;
	renewal_callback *on_renewed;
	void *context;
	struct wakeup *wakeup;
	struct timer *retry;
	struct pace pace;
	struct handover offered; /* what waits to be handed over */
	pthread_t thread;
	bool has_thread;
	int bell; /* wakes the thread */
	pthread_mutex_t mutex;
	/* Under the mutex. */
	bool stop;
	struct renewal_files *next; /* that the thread is to follow; NULL: those that it has */
	struct handover ready;      /* found by the thread, and not taken yet */
};

/* ---- the thread's side */

/* What to follow from now on, or NULL for no change. False: it is time to stop. */
static bool take_orders(struct renewal *renewal, struct renewal_files **out_next)
{
	pthread_mutex_lock(&renewal->mutex);
	bool goes_on = !renewal->stop;
	*out_next = goes_on ? renewal->next : NULL;
	if (goes_on)
		renewal->next = NULL;
	pthread_mutex_unlock(&renewal->mutex);
	return goes_on;
}

/* Unless others are to be followed by now. */
static void offer_files(struct renewal *renewal, struct handover *found)
{
	pthread_mutex_lock(&renewal->mutex);
	if (!renewal->stop && renewal->next == NULL) {
		handover_close(&renewal->ready);
		renewal->ready = *found;
		*found = (struct handover){ 0 };
		wakeup_send(renewal->wakeup);
	}
	pthread_mutex_unlock(&renewal->mutex);
	handover_close(found);
}

static void *follow_files(void *context)
{
	struct renewal *renewal = context;
	struct renewal_files *files = NULL, *next = NULL;
	while (take_orders(renewal, &next)) {
		struct handover found = { 0 };
		if (next) {
			renewal_files_free(&files);
			files = next;
		}
		if (renewal_files_look(files, renewal->bell, &found))
			offer_files(renewal, &found);
	}
	renewal_files_free(&files);
	return NULL;
}

/* ---- the loop's side */

static void try_offer(void *context)
{
	struct renewal *renewal = context;
	uint64_t now_ms = loop_now_ms(renewal->loop);
	if (renewal->offered.count == 0)
		return;
	if (!pace_take(&renewal->pace, &pace_limit, COST, now_ms)) {
		timer_set(renewal->retry, RETRY_MS);
		return;
	}
	if (renewal->on_renewed(renewal->context, &renewal->offered) == STATUS_REFUSED) {
		pace_give_back(&renewal->pace, COST);
		timer_set(renewal->retry, RETRY_MS);
		return;
	}
	handover_close(&renewal->offered);
}

static void take_ready(void *context)
{
	struct renewal *renewal = context;
	pthread_mutex_lock(&renewal->mutex);
	struct handover ready = renewal->ready;
	renewal->ready = (struct handover){ 0 };
	pthread_mutex_unlock(&renewal->mutex);
	if (ready.count == 0)
		return;
	handover_close(&renewal->offered);
	renewal->offered = ready;
	try_offer(renewal);
}

static void ring_bell(const struct renewal *renewal)
{
	const uint64_t one = 1;
	(void)!write(renewal->bell, &one, sizeof(one));
}

void renewal_follow(struct renewal *renewal, const struct config *config, const struct handover *files)
{
	struct renewal_files *next = NULL;
	if (renewal_files_create(config, files, &next) != STATUS_OK) {
		log_error("changed certificates will not be noticed: out of memory");
		return;
	}
	pthread_mutex_lock(&renewal->mutex);
	renewal_files_free(&renewal->next);
	renewal->next = next;
	handover_close(&renewal->ready);
	pthread_mutex_unlock(&renewal->mutex);
	handover_close(&renewal->offered);
	timer_clear(renewal->retry);
	ring_bell(renewal);
}

/* ---- beginning and end */

enum status renewal_create(struct loop *loop, renewal_callback *on_renewed, void *context, struct renewal **out_renewal)
{
	struct renewal *renewal = calloc(1, sizeof(*renewal));
	if (renewal == NULL)
		return STATUS_NO_MEMORY;
	*renewal = (struct renewal){
		.loop = loop,
		.on_renewed = on_renewed,
		.context = context,
		.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	pthread_mutex_init(&renewal->mutex, NULL);
	enum status status = renewal->bell < 0 ? STATUS_SYSTEM : STATUS_OK;
	if (status == STATUS_OK)
		status = timer_make(loop, try_offer, renewal, &renewal->retry);
	if (status == STATUS_OK)
		status = wakeup_create(loop, take_ready, renewal, &renewal->wakeup);
	if (status == STATUS_OK)
		status = thread_start("certificates", STACK_SIZE, follow_files, renewal, &renewal->thread);
	renewal->has_thread = status == STATUS_OK;
	if (status == STATUS_OK)
		*out_renewal = renewal;
	else
		renewal_free(&renewal);
	return status;
}

/* False: it hangs, and still uses what it shares with us. */
static bool end_thread(struct renewal *renewal)
{
	struct timespec until;
	if (!renewal->has_thread)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_LIMIT_S;
	ring_bell(renewal);
	return pthread_clockjoin_np(renewal->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

void renewal_free(struct renewal **renewal_at)
{
	struct renewal *renewal = *renewal_at;
	if (renewal == NULL)
		return;
	*renewal_at = NULL;
	pthread_mutex_lock(&renewal->mutex);
	renewal->stop = true;
	pthread_mutex_unlock(&renewal->mutex);
	bool has_ended = end_thread(renewal);
	handover_close(&renewal->offered);
	handover_close(&renewal->ready);
	renewal_files_free(&renewal->next);
	timer_free(&renewal->retry);
	if (renewal->wakeup)
		wakeup_free(&renewal->wakeup);
	if (!has_ended)
		return;
	pthread_mutex_destroy(&renewal->mutex);
	if (renewal->bell >= 0)
		close(renewal->bell);
	free(renewal);
}
