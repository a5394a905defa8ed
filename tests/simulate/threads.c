/*
 * Helper threads, played: each is a coroutine that runs until it waits, so that the seed alone decides when. They wait
 * by condition variables, by sleeping, and at each call to the disk, where a kill may find them between two bytes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/thread.h"
#include "tests/simulate/world.h"

#define STACK_SIZE (512U << 10)
#define JOIN_US (60ULL * SECOND_US) /* a thread ends within that, whatever the disk does */

struct thread {
	struct process *process;
	void *(*run)(void *context);
	void *context;
	ucontext_t self, caller;
	void *stack;
	pthread_cond_t *waits_for; /* NULL: for no condition */
	bool is_timed_out, is_over;
	struct sim_event *event; /* that lets it go on; NULL: only a signal does */
	struct thread *next;
};

static struct thread *threads;
static struct thread *current; /* NULL: the loop's thread runs */

static void go_on(void *context)
{
	struct thread *thread = context;
	struct thread *former = current;
	thread->event = NULL;
	if (thread->is_over)
		return;
	current = thread;
	swapcontext(&thread->caller, &thread->self);
	current = former;
}

static void enter_thread(void)
{
	struct thread *thread = current;
	thread->run(thread->context);
	thread->is_over = true;
	swapcontext(&thread->self, &thread->caller);
}

enum status thread_start(const char *name, size_t stack_size, void *(*run)(void *context), void *context,
			 pthread_t *out_thread)
{
	struct thread *thread = calloc(1, sizeof(*thread));
	(void)name, (void)stack_size;
	assert(thread);
	*thread = (struct thread){ .process = sim_process, .run = run, .context = context, .next = threads };
	threads = thread;
	thread->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(thread->stack != MAP_FAILED);
	getcontext(&thread->self);
	thread->self.uc_stack.ss_sp = thread->stack;
	thread->self.uc_stack.ss_size = STACK_SIZE;
	makecontext(&thread->self, enter_thread, 0);
	thread->event = sim_thread_after(sim_process, sim_draw(200), go_on, thread);
	memcpy(out_thread, &(struct thread *){ thread }, sizeof(struct thread *));
	return STATUS_OK;
}

void sim_drop_threads(struct process *process)
{
	for (struct thread *thread = threads; thread; thread = thread->next) {
		if (thread->process != process)
			continue;
		thread->is_over = true;
		sim_cancel(&thread->event);
	}
}

/* ---- waiting */

static void give_way(struct thread *thread)
{
	swapcontext(&thread->self, &thread->caller);
}

bool sim_is_thread(void)
{
	return current != NULL;
}

void sim_sleep(uint64_t us)
{
	struct thread *thread = current;
	if (thread == NULL)
		return;
	thread->event = sim_thread_after(thread->process, us, go_on, thread);
	give_way(thread);
}

int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left)
{
	(void)left;
	if (current == NULL)
		return 0;
	sim_sleep((uint64_t)pause->tv_sec * SECOND_US + (uint64_t)pause->tv_nsec / 1000);
	return 0;
}

static void time_out(void *context)
{
	struct thread *thread = context;
	thread->is_timed_out = true;
	thread->waits_for = NULL;
	go_on(thread);
}

static int wait_for(pthread_cond_t *condition, pthread_mutex_t *mutex, bool has_limit, uint64_t limit_us)
{
	struct thread *thread = current;
	if (thread == NULL)
		sim_fail("a loop's thread waits for a condition");
	(void)mutex;
	thread->waits_for = condition;
	thread->is_timed_out = false;
	if (has_limit)
		thread->event = sim_thread_after(thread->process, limit_us, time_out, thread);
	give_way(thread);
	return thread->is_timed_out ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	return wait_for(condition, mutex, false, 0);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
	uint64_t until_us = (uint64_t)until->tv_sec * SECOND_US + (uint64_t)until->tv_nsec / 1000;
	struct timespec now; /* of the clock that condition_init gave it */
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t now_us = (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
	return wait_for(condition, mutex, true, until_us > now_us ? until_us - now_us : 0);
}

static int wake(pthread_cond_t *condition, bool wakes_all)
{
	for (struct thread *thread = threads; thread; thread = thread->next) {
		if (thread->is_over || thread->waits_for != condition)
			continue;
		sim_cancel(&thread->event);
		thread->waits_for = NULL;
		thread->event = sim_thread_after(thread->process, 2 + sim_draw(100), go_on, thread);
		if (!wakes_all)
			break;
	}
	return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
	return wake(condition, false);
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
	return wake(condition, true);
}

/* No thread gives way within a mutex but where it waits for a condition, which sets the mutex free. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	(void)mutex;
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	(void)mutex;
	return 0;
}

/* The loop waits for a thread's end; everybody else goes on. */
int __wrap_pthread_join(pthread_t id, void **out_value);
int __wrap_pthread_join(pthread_t id, void **out_value)
{
	struct thread *thread;
	uint64_t until_us = sim_now_us + JOIN_US;
	memcpy(&thread, &id, sizeof(thread));
	if (out_value)
		*out_value = NULL;
	thread->process->is_joining = true;
	while (!thread->is_over && sim_now_us < until_us && sim_step())
		;
	thread->process->is_joining = false;
	if (!thread->is_over)
		sim_fail("a thread that waits for ever is joined");
	return 0;
}
