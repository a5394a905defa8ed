/* The thread pool. Owns the jobs handed to it, its threads and their queue. */
#include "net/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"

#define STACK_SIZE (512U << 10) /* bytes a thread: a TLS handshake takes some 30 KiB, a name look-up up to 100 */
#define TICK_MS 100             /* how exactly deadlines are kept */

/* Invariants: `queue`, `ran` and every job's state are touched under `lock` only; the list of all by the loop only. */
struct jobs {
	struct loop *loop;
	struct jobs_settings settings;
	struct wakeup *wakeup;
	struct timer *timer;
	struct job *newest; /* of all not destroyed */
	size_t count;
	unsigned thread_count;
	pthread_t *threads;

	pthread_mutex_t lock;
	pthread_cond_t queued;
	struct job *queue, **queue_end;
	struct job *ran;
	size_t queue_size;
	uint64_t last_owner; /* of the job begun last */
	bool ending;
};

/* ---- on the threads */

static void unlink_job(struct jobs *jobs, struct job **at)
{
	*at = (*at)->queue_next;
	if (*at == NULL)
		jobs->queue_end = at;
	jobs->queue_size--;
}

/* The first whose owner did not have the last turn; else the first. */
static struct job **choose_next(struct jobs *jobs)
{
	struct job **at = &jobs->queue;
	while (*at && (*at)->owner == jobs->last_owner)
		at = &(*at)->queue_next;
	return *at ? at : &jobs->queue;
}

static struct job *take_job(struct jobs *jobs)
{
	struct job *job = NULL;
	pthread_mutex_lock(&jobs->lock);
	while (jobs->queue == NULL && !jobs->ending)
		pthread_cond_wait(&jobs->queued, &jobs->lock);
	if (!jobs->ending) {
		struct job **at = choose_next(jobs);
		job = *at;
		unlink_job(jobs, at);
		jobs->last_owner = job->owner;
		job->state = JOB_RUNNING;
	}
	pthread_mutex_unlock(&jobs->lock);
	return job;
}

static void hand_back(struct jobs *jobs, struct job *job)
{
	pthread_mutex_lock(&jobs->lock);
	job->state = JOB_RAN;
	job->queue_next = jobs->ran;
	jobs->ran = job;
	pthread_mutex_unlock(&jobs->lock);
	wakeup_send(jobs->wakeup);
}

static void *run_jobs(void *context)
{
	struct jobs *jobs = context;
	struct life_thread *sign = life_join(jobs->settings.kind);
	void *local = jobs->settings.enter ? jobs->settings.enter(jobs->settings.context) : NULL;
	for (struct job *job; (job = take_job(jobs)) != NULL;) {
		life_begin(sign, job->limit_ms);
		job->run(job, local);
		life_rest(sign);
		hand_back(jobs, job);
	}
	if (jobs->settings.leave)
		jobs->settings.leave(jobs->settings.context, local);
	return NULL;
}

/* ---- on the loop */

static void destroy_job(struct jobs *jobs, struct job *job)
{
	*(job->previous ? &job->previous->next : &jobs->newest) = job->next;
	if (job->next)
		job->next->previous = job->previous;
	jobs->count--;
	job->destroy(job);
}

/* Takes a job out of the queue that no thread has begun. */
static bool withdraw_queued(struct jobs *jobs, struct job *job)
{
	pthread_mutex_lock(&jobs->lock);
	bool waiting = job->state == JOB_QUEUED;
	struct job **at = &jobs->queue;
	while (waiting && *at != job)
		at = &(*at)->queue_next;
	if (waiting)
		unlink_job(jobs, at);
	pthread_mutex_unlock(&jobs->lock);
	return waiting;
}

void jobs_forget(struct jobs *jobs, struct job *job)
{
	job->on_done = NULL;
	if (withdraw_queued(jobs, job))
		destroy_job(jobs, job);
}

static void finish_job(struct jobs *jobs, struct job *job)
{
	if (job->on_done)
		job->on_done(job->context, job, STATUS_OK);
	destroy_job(jobs, job);
}

static void collect_done(void *context)
{
	struct jobs *jobs = context;
	pthread_mutex_lock(&jobs->lock);
	struct job *job = jobs->ran;
	jobs->ran = NULL;
	pthread_mutex_unlock(&jobs->lock);
	while (job) {
		struct job *next = job->queue_next;
		finish_job(jobs, job);
		job = next;
	}
}

/* One job that is late and whose owner does not know yet. */
static struct job *find_late(const struct jobs *jobs, uint64_t now_ms)
{
	for (struct job *job = jobs->newest; job; job = job->next)
		if (job->on_done && now_ms >= job->deadline_ms)
			return job;
	return NULL;
}

static void check_deadlines(void *context)
{
	struct jobs *jobs = context;
	for (struct job *job; (job = find_late(jobs, loop_now_ms(jobs->loop))) != NULL;) {
		void (*on_done)(void *, struct job *, enum status) = job->on_done;
		job->on_done = NULL;
		on_done(job->context, job, STATUS_TIMEOUT);
		jobs_forget(jobs, job);
	}
	if (jobs->count > 0)
		timer_set(jobs->timer, TICK_MS);
}

/* `lock` is held. */
static bool has_room(const struct jobs *jobs, const struct job *job)
{
	size_t own = 0;
	for (const struct job *other = jobs->queue; job->owner && other; other = other->queue_next)
		own += other->owner == job->owner;
	return jobs->queue_size < jobs->settings.queue_maximum &&
	       (own == 0 || own < (jobs->settings.queue_maximum + 1) / 2);
}

enum status jobs_submit(struct jobs *jobs, struct job *job, uint64_t timeout_ms)
{
	job->deadline_ms = loop_now_ms(jobs->loop) + timeout_ms;
	job->limit_ms = timeout_ms;
	job->queue_next = NULL;
	job->state = JOB_QUEUED;
	pthread_mutex_lock(&jobs->lock);
	bool full = !has_room(jobs, job);
	if (!full) {
		*jobs->queue_end = job;
		jobs->queue_end = &job->queue_next;
		jobs->queue_size++;
		pthread_cond_signal(&jobs->queued);
	}
	pthread_mutex_unlock(&jobs->lock);
	if (full)
		return STATUS_UNAVAILABLE;
	job->previous = NULL;
	job->next = jobs->newest;
	if (jobs->newest)
		jobs->newest->previous = job;
	jobs->newest = job;
	if (jobs->count++ == 0)
		timer_set(jobs->timer, TICK_MS);
	return STATUS_OK;
}

/* ---- making and ending */

static enum status start_threads(struct jobs *jobs)
{
	jobs->threads = calloc(jobs->settings.threads, sizeof(*jobs->threads));
	if (jobs->threads == NULL)
		return STATUS_NO_MEMORY;
	for (; jobs->thread_count < jobs->settings.threads; jobs->thread_count++)
		TRY(thread_start(jobs->settings.name, STACK_SIZE, run_jobs, jobs, &jobs->threads[jobs->thread_count]));
	return STATUS_OK;
}

static enum status set_up(struct jobs *jobs)
{
	TRY(wakeup_create(jobs->loop, collect_done, jobs, &jobs->wakeup));
	TRY(timer_make(jobs->loop, check_deadlines, jobs, &jobs->timer));
	return start_threads(jobs);
}

enum status jobs_create(struct loop *loop, const struct jobs_settings *settings, struct jobs **out_jobs)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	if (jobs == NULL)
		return STATUS_NO_MEMORY;
	jobs->loop = loop;
	jobs->settings = *settings;
	jobs->queue_end = &jobs->queue;
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->queued, NULL);
	enum status status = set_up(jobs);
	if (status != STATUS_OK) {
		int error = errno;
		jobs_free(&jobs);
		errno = error;
		return status;
	}
	*out_jobs = jobs;
	return STATUS_OK;
}

static bool join_threads(struct jobs *jobs)
{
	struct timespec end;
	bool all = true;
	pthread_mutex_lock(&jobs->lock);
	jobs->ending = true;
	pthread_cond_broadcast(&jobs->queued);
	pthread_mutex_unlock(&jobs->lock);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += JOBS_STOP_MS / 1000;
	for (unsigned i = 0; i < jobs->thread_count; i++)
		all = pthread_clockjoin_np(jobs->threads[i], NULL, CLOCK_MONOTONIC, &end) == 0 && all;
	return all;
}

bool jobs_free(struct jobs **jobs)
{
	struct jobs *ending = *jobs;
	*jobs = NULL;
	if (ending == NULL)
		return true;
	if (!join_threads(ending))
		return false;
	while (ending->newest)
		destroy_job(ending, ending->newest);
	timer_free(&ending->timer);
	wakeup_free(&ending->wakeup);
	pthread_cond_destroy(&ending->queued);
	pthread_mutex_destroy(&ending->lock);
	free(ending->threads);
	free(ending);
	return true;
}
