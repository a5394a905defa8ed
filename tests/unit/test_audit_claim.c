/* Whoever has something else to wait for is woken for no record before they say so, and is not forgotten either. */
#include <stdatomic.h>
#include <sys/statvfs.h>

#include "audit_fixture.h"

static atomic_bool is_timeless; /* waits with a limit have none */

/* Of the writer, whose second until it gives back what nobody claimed must not come in a test of something else. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
	return is_timeless ? pthread_cond_wait(condition, mutex)
			   : pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, until);
}

/* The room that others take or leave on the disk would wake the loop. */
int fstatvfs(int fd, struct statvfs *out_space)
{
	(void)fd, (void)out_space;
	return -1;
}

/* Without a chain, as a checkpoint wakes the loop. */
static void start_quiet_audit(struct audit_bench *bench)
{
	bench->is_unchained = true;
	start_audit(bench);
}

static void submit_ahead(struct audit_bench *bench, audit_callback *callback)
{
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	event.is_ahead = true;
	assert_int_equal(audit_submit(bench->audit, &event, callback, bench), STATUS_OK);
}

static bool is_in_the_file(void *context)
{
	json_t *records = read_records(context);
	bool is_there = json_array_size(records) > 0;
	json_decref(records);
	return is_there;
}

static void a_record_that_is_written_wakes_nobody_who_waits_for_something_else(void **state)
{
	struct audit_bench *bench = *state;
	is_timeless = true;
	start_quiet_audit(bench);
	submit_ahead(bench, on_written);
	run_until(bench->loop, is_in_the_file, bench);
	run_for(bench->loop, 20);
	assert_int_equal(bench->told, 0);
	audit_claim(bench->audit);
	assert_int_equal(bench->told, 0); /* never from within the call */
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->told, 1);
	assert_int_equal(bench->written, STATUS_OK);
}

static void a_record_that_is_claimed_before_it_is_written_is_told_once_it_is(void **state)
{
	struct audit_bench *bench = *state;
	is_timeless = true;
	start_quiet_audit(bench);
	submit_ahead(bench, on_written);
	audit_claim(bench->audit);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->told, 1);
	assert_true(is_in_the_file(bench));
}

static void note_other(void *context, enum status written)
{
	(void)written;
	((struct audit_bench *)context)->told += 100;
}

/* A batch that comes back for somebody brings those before it. */
static void whoever_waits_for_nothing_else_is_told_at_once_and_the_others_with_them(void **state)
{
	struct audit_bench *bench = *state;
	is_timeless = true;
	start_quiet_audit(bench);
	submit_ahead(bench, note_other);
	run_until(bench->loop, is_in_the_file, bench);
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m2", 1);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->told, 101);
}

static void a_record_that_nobody_claims_is_told_all_the_same(void **state)
{
	struct audit_bench *bench = *state;
	is_timeless = false;
	start_quiet_audit(bench);
	submit_ahead(bench, on_written);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_record_that_is_written_wakes_nobody_who_waits_for_something_else),
		WITH_BENCH(a_record_that_is_claimed_before_it_is_written_is_told_once_it_is),
		WITH_BENCH(whoever_waits_for_nothing_else_is_told_at_once_and_the_others_with_them),
		WITH_BENCH(a_record_that_nobody_claims_is_told_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
