/* The thread pool: jobs that finish, are late, are forgotten, or do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/jobs.h"
#include "with_loop.h"

static struct loop *loop;
static pthread_t loop_thread;
static atomic_uint begun, ran, entered, left;
static unsigned submitted, done, timed_out, destroyed;
static atomic_bool on_other_thread, signals_blocked, is_held;

struct task {
	struct job job;
	long sleep_ms;
	bool waits; /* until nobody is held any more */
};

static void run(struct job *job, void *local)
{
	struct task *task = (struct task *)job;
	sigset_t blocked;
	(void)local;
	atomic_fetch_add(&begun, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	atomic_store(&signals_blocked, sigismember(&blocked, SIGTERM) == 1);
	atomic_store(&on_other_thread, !pthread_equal(pthread_self(), loop_thread));
	do
		nanosleep(&(struct timespec){ .tv_nsec = task->sleep_ms * 1000000 }, NULL);
	while (task->waits && is_held);
	atomic_fetch_add(&ran, 1);
}

static void destroy(struct job *job)
{
	destroyed++;
	free(job);
}

static void on_done(void *context, struct job *job, enum status status)
{
	(void)context, (void)job;
	assert_true(pthread_equal(pthread_self(), loop_thread));
	if (status == STATUS_OK)
		done++;
	else
		timed_out++;
}

static void *enter(void *context)
{
	(void)context;
	atomic_fetch_add(&entered, 1);
	return NULL;
}

static void leave(void *context, void *local)
{
	(void)context, (void)local;
	atomic_fetch_add(&left, 1);
}

static struct jobs *make_pool(unsigned threads, size_t queue_maximum)
{
	const struct jobs_settings settings = {
		.name = "test",
		.threads = threads,
		.queue_maximum = queue_maximum,
		.enter = enter,
		.leave = leave,
	};
	struct jobs *jobs = NULL;
	assert_int_equal(jobs_create(loop, &settings, &jobs), STATUS_OK);
	return jobs;
}

static struct job *make_job(long sleep_ms)
{
	struct task *task = calloc(1, sizeof(*task));
	assert_non_null(task);
	task->job.run = run;
	task->job.destroy = destroy;
	task->job.on_done = on_done;
	task->sleep_ms = sleep_ms;
	return &task->job;
}

static struct job *submit(struct jobs *jobs, long sleep_ms, uint64_t timeout_ms)
{
	struct job *job = make_job(sleep_ms);
	assert_int_equal(jobs_submit(jobs, job, timeout_ms), STATUS_OK);
	submitted++;
	return job;
}

/* One that keeps its thread busy until release(). */
static struct job *submit_held(struct jobs *jobs, uint64_t timeout_ms)
{
	struct job *job = make_job(1);
	((struct task *)job)->waits = true;
	is_held = true;
	assert_int_equal(jobs_submit(jobs, job, timeout_ms), STATUS_OK);
	submitted++;
	return job;
}

static void release(void)
{
	is_held = false;
}

static bool is_one_late(void *context)
{
	(void)context;
	return timed_out == 1;
}

static bool are_all_destroyed(void *context)
{
	(void)context;
	return destroyed == submitted;
}

static int begin(void **state)
{
	(void)state;
	begun = ran = entered = left = 0;
	submitted = done = timed_out = destroyed = 0;
	loop_thread = pthread_self();
	return loop_create(&loop) == STATUS_OK ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void test_jobs_run_elsewhere_and_are_answered_here(void **state)
{
	(void)state;
	struct jobs *jobs = make_pool(3, 100);
	for (int i = 0; i < 50; i++)
		submit(jobs, 0, PATIENCE_MS);
	run_until(loop, are_all_destroyed, NULL);
	assert_int_equal(done, 50);
	assert_int_equal(destroyed, 50);
	assert_true(on_other_thread);
	assert_true(signals_blocked);
	assert_true(jobs_free(&jobs));
	assert_null(jobs);
	assert_int_equal(entered, 3);
	assert_int_equal(left, 3);
}

static void test_a_late_job_is_told_in_time_and_dropped_when_it_comes(void **state)
{
	(void)state;
	struct jobs *jobs = make_pool(1, 100);
	submit_held(jobs, 100);
	run_until(loop, is_one_late, NULL);
	assert_int_equal(destroyed, 0); /* a thread is still at it */
	release();
	run_until(loop, are_all_destroyed, NULL);
	assert_int_equal(done, 0);
	assert_int_equal(ran, 1);
	assert_true(jobs_free(&jobs));
}

static void test_a_job_that_is_late_before_it_began_never_runs(void **state)
{
	(void)state;
	struct jobs *jobs = make_pool(1, 100);
	submit_held(jobs, PATIENCE_MS);
	submit(jobs, 0, 100);
	run_until(loop, is_one_late, NULL);
	release();
	run_until(loop, are_all_destroyed, NULL);
	assert_int_equal(ran, 1);
	assert_int_equal(done, 1);
	assert_int_equal(timed_out, 1);
	assert_true(jobs_free(&jobs));
}

static bool has_one_begun(void *context)
{
	(void)context;
	return begun > 0;
}

static void test_a_forgotten_job_is_not_answered(void **state)
{
	(void)state;
	struct jobs *jobs = make_pool(1, 100);
	struct job *running = submit_held(jobs, PATIENCE_MS);
	struct job *waiting = submit(jobs, 0, PATIENCE_MS);
	run_until(loop, has_one_begun, NULL);
	jobs_forget(jobs, waiting);
	jobs_forget(jobs, running);
	release();
	run_until(loop, are_all_destroyed, NULL);
	assert_int_equal(ran, 1);
	assert_int_equal(done + timed_out, 0);
	assert_true(jobs_free(&jobs));
}

static void test_a_full_queue_says_so(void **state)
{
	(void)state;
	struct jobs *jobs = make_pool(1, 2);
	submit_held(jobs, PATIENCE_MS);
	run_until(loop, has_one_begun, NULL);
	submit(jobs, 0, PATIENCE_MS);
	submit(jobs, 0, PATIENCE_MS);
	struct job *surplus = make_job(0);
	assert_int_equal(jobs_submit(jobs, surplus, PATIENCE_MS), STATUS_UNAVAILABLE);
	free(surplus);
	release();
	run_until(loop, are_all_destroyed, NULL);
	assert_int_equal(done, 3);
	assert_true(jobs_free(&jobs));
}

static char order[64]; /* owners, as their jobs ran; written by one thread */

static void run_noting_owner(struct job *job, void *local)
{
	size_t used = strlen(order);
	if (used + 1 < sizeof(order))
		order[used] = (char)('a' + job->owner - 1);
	run(job, local);
}

static enum status submit_for(struct jobs *jobs, uint64_t owner)
{
	struct job *job = make_job(0);
	job->owner = owner;
	job->run = run_noting_owner;
	enum status status = jobs_submit(jobs, job, PATIENCE_MS);
	if (status == STATUS_OK)
		submitted++;
	else
		free(job);
	return status;
}

static void test_owners_take_turns_and_none_fills_the_queue(void **state)
{
	(void)state;
	struct jobs *jobs = make_pool(1, 20);
	unsigned taken = 0;
	memset(order, 0, sizeof(order));
	submit_held(jobs, PATIENCE_MS);
	run_until(loop, has_one_begun, NULL);
	while (taken < 100 && submit_for(jobs, 1) == STATUS_OK)
		taken++;
	assert_int_equal(taken, 10);
	for (int i = 0; i < 3; i++)
		assert_int_equal(submit_for(jobs, 2), STATUS_OK);
	release();
	run_until(loop, are_all_destroyed, NULL);
	assert_string_equal(order, "abababaaaaaaa");
	assert_true(jobs_free(&jobs));
}

static void test_a_pool_ends_with_jobs_in_it(void **state)
{
	(void)state;
	struct jobs *jobs = make_pool(2, 100);
	for (int i = 0; i < 10; i++)
		submit(jobs, 50, PATIENCE_MS);
	assert_true(jobs_free(&jobs));
	assert_int_equal(destroyed, 10);
	assert_int_equal(done + timed_out, 0);
	assert_int_equal(left, 2);
}

#define IN_LOOP(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_LOOP(test_jobs_run_elsewhere_and_are_answered_here),
		IN_LOOP(test_a_late_job_is_told_in_time_and_dropped_when_it_comes),
		IN_LOOP(test_a_job_that_is_late_before_it_began_never_runs),
		IN_LOOP(test_a_forgotten_job_is_not_answered),
		IN_LOOP(test_a_full_queue_says_so),
		IN_LOOP(test_owners_take_turns_and_none_fills_the_queue),
		IN_LOOP(test_a_pool_ends_with_jobs_in_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
