/* The thread that watches deadlines. It only ever calls shutdown(2), on sockets that are registered under its lock. */
#include "auth/ldap/watchdog.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"

#define STACK_SIZE (64U << 10) /* bytes */

struct ldap_watchdog {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ldap_guard *armed;
	bool ending;
};

static void fire_guard(struct ldap_guard *guard)
{
	guard->fired = true;
	for (unsigned i = 0; i < LDAP_GUARD_SOCKETS; i++)
		if (guard->sockets[i] >= 0)
			shutdown(guard->sockets[i], SHUT_RDWR);
}

/* Fires what is late; the next deadline, or UINT64_MAX. */
static uint64_t fire_late(struct ldap_watchdog *watchdog, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;
	for (struct ldap_guard *guard = watchdog->armed; guard; guard = guard->next) {
		if (!guard->fired && now_ms >= guard->deadline_ms)
			fire_guard(guard);
		if (!guard->fired && guard->deadline_ms < next_ms)
			next_ms = guard->deadline_ms;
	}
	return next_ms;
}

static void wait_until(struct ldap_watchdog *watchdog, uint64_t deadline_ms)
{
	struct timespec end = { .tv_sec = (time_t)(deadline_ms / 1000),
				.tv_nsec = (long)(deadline_ms % 1000) * 1000000 };
	if (deadline_ms == UINT64_MAX)
		pthread_cond_wait(&watchdog->changed, &watchdog->lock);
	else
		pthread_cond_clockwait(&watchdog->changed, &watchdog->lock, CLOCK_MONOTONIC, &end);
}

static void *watch_deadlines(void *context)
{
	struct ldap_watchdog *watchdog = context;
	pthread_mutex_lock(&watchdog->lock);
	while (!watchdog->ending)
		wait_until(watchdog, fire_late(watchdog, clock_monotonic_ms()));
	pthread_mutex_unlock(&watchdog->lock);
	return NULL;
}

enum status ldap_watchdog_create(struct ldap_watchdog **out_watchdog)
{
	struct ldap_watchdog *watchdog = calloc(1, sizeof(*watchdog));
	if (watchdog == NULL)
		return STATUS_NO_MEMORY;
	pthread_mutex_init(&watchdog->lock, NULL);
	pthread_cond_init(&watchdog->changed, NULL);
	enum status status = thread_start("ldap-watchdog", STACK_SIZE, watch_deadlines, watchdog, &watchdog->thread);
	if (status != STATUS_OK) {
		free(watchdog);
		return status;
	}
	*out_watchdog = watchdog;
	return STATUS_OK;
}

void ldap_watchdog_free(struct ldap_watchdog **watchdog)
{
	struct ldap_watchdog *ending = *watchdog;
	if (ending == NULL)
		return;
	pthread_mutex_lock(&ending->lock);
	ending->ending = true;
	pthread_cond_signal(&ending->changed);
	pthread_mutex_unlock(&ending->lock);
	pthread_join(ending->thread, NULL);
	pthread_cond_destroy(&ending->changed);
	pthread_mutex_destroy(&ending->lock);
	free(ending);
	*watchdog = NULL;
}

void ldap_guard_init(struct ldap_guard *guard, struct ldap_watchdog *watchdog)
{
	*guard = (struct ldap_guard){ .watchdog = watchdog };
	for (unsigned i = 0; i < LDAP_GUARD_SOCKETS; i++)
		guard->sockets[i] = -1;
}

void ldap_guard_arm(struct ldap_guard *guard, uint64_t timeout_ms)
{
	struct ldap_watchdog *watchdog = guard->watchdog;
	pthread_mutex_lock(&watchdog->lock);
	guard->deadline_ms = clock_monotonic_ms() + timeout_ms;
	guard->armed = true;
	guard->fired = false;
	guard->next = watchdog->armed;
	watchdog->armed = guard;
	pthread_cond_signal(&watchdog->changed);
	pthread_mutex_unlock(&watchdog->lock);
}

void ldap_guard_extend(struct ldap_guard *guard, uint64_t timeout_ms)
{
	pthread_mutex_lock(&guard->watchdog->lock);
	guard->deadline_ms = clock_monotonic_ms() + timeout_ms;
	pthread_mutex_unlock(&guard->watchdog->lock);
}

void ldap_guard_disarm(struct ldap_guard *guard)
{
	struct ldap_watchdog *watchdog = guard->watchdog;
	pthread_mutex_lock(&watchdog->lock);
	struct ldap_guard **at = &watchdog->armed;
	while (*at && *at != guard)
		at = &(*at)->next;
	if (*at)
		*at = guard->next;
	guard->armed = false;
	pthread_mutex_unlock(&watchdog->lock);
}

bool ldap_guard_fired(struct ldap_guard *guard)
{
	pthread_mutex_lock(&guard->watchdog->lock);
	bool fired = guard->fired;
	pthread_mutex_unlock(&guard->watchdog->lock);
	return fired;
}

uint64_t ldap_guard_left_ms(struct ldap_guard *guard)
{
	uint64_t now_ms = clock_monotonic_ms();
	pthread_mutex_lock(&guard->watchdog->lock);
	uint64_t deadline_ms = guard->deadline_ms;
	pthread_mutex_unlock(&guard->watchdog->lock);
	return deadline_ms > now_ms ? deadline_ms - now_ms : 1;
}

bool ldap_guard_set_socket(struct ldap_guard *guard, unsigned slot, int fd)
{
	pthread_mutex_lock(&guard->watchdog->lock);
	guard->sockets[slot] = fd;
	bool in_time = !guard->fired;
	pthread_mutex_unlock(&guard->watchdog->lock);
	return in_time;
}
