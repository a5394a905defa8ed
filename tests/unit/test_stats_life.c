/*
 * Signs of life: silence and late calls are seen, time in which nobody looked doesn't count, and a lie harms only the
 * process that tells it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "stats/life.h"

static struct stats *slab;
static struct life *life;
static struct life_watch watch;
static uint64_t now_ms;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(stats_create_private(&slab), STATUS_OK);
	life = stats_life(slab);
	life_use(life);
	now_ms = clock_monotonic_ms();
	life_watch_begin(&watch, now_ms);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	life_use(NULL);
	stats_free_private(&slab);
	return 0;
}

static void look_after(uint64_t ms)
{
	now_ms += ms;
	life_watch_look(&watch, life, now_ms);
}

static void a_loop_that_turns_is_not_silent(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		life_beat(life);
		look_after(500);
		assert_int_equal(watch.silent_ms, 0);
		look_after(500);
		assert_int_equal(watch.silent_ms, 500);
	}
}

static void a_silent_one_is_silent_for_as_long_as_it_is_looked_at(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		look_after(500);
	assert_int_equal(watch.silent_ms, 10000);
	life_beat(life);
	look_after(500);
	assert_int_equal(watch.silent_ms, 0);
}

static void an_hour_in_which_nobody_looked_counts_as_one_look(void **state)
{
	(void)state;
	struct life_thread *thread = life_join(LIFE_AUDIT);
	life_begin(thread, 1000);
	look_after(500);
	look_after(3600000);
	assert_int_equal(watch.silent_ms, 500 + LIFE_LOOK_MOST_MS);
	assert_int_equal(watch.latest_ms, LIFE_LOOK_MOST_MS);
	assert_int_equal(life_watch_lost_kind(&watch), LIFE_KIND_COUNT);
}

static void the_end_of_a_loop_is_told(void **state)
{
	(void)state;
	look_after(500);
	assert_false(watch.ending);
	life_end(life);
	look_after(500);
	assert_true(watch.ending);
	life_clear(life);
	look_after(500);
	assert_false(watch.ending);
}

static void a_call_past_its_limit_is_stuck(void **state)
{
	(void)state;
	struct life_thread *thread = life_join(LIFE_AUDIT);
	look_after(500);
	assert_int_equal(watch.threads[LIFE_AUDIT], 1);
	life_begin(thread, 5000);
	for (int i = 0; i < 10; i++)
		look_after(500);
	assert_int_equal(watch.stuck[LIFE_AUDIT], 0); /* it has its time */
	for (int i = 0; i < 10; i++)
		look_after(500);
	assert_int_equal(watch.stuck[LIFE_AUDIT], 1);
	assert_int_equal(life_watch_lost_kind(&watch), LIFE_AUDIT);
	life_rest(thread);
	look_after(500);
	assert_int_equal(watch.stuck[LIFE_AUDIT], 0);
	assert_int_equal(watch.latest_ms, 0);
}

static void many_short_calls_are_not_one_long_one(void **state)
{
	(void)state;
	struct life_thread *thread = life_join(LIFE_SPOOL);
	for (unsigned i = 0; i < 40; i++) {
		life_begin(thread, 1 + i); /* all of them late at the next look */
		look_after(500);
		assert_int_equal(watch.stuck[LIFE_SPOOL], 0);
	}
}

static void a_kind_is_lost_once_all_its_threads_are_stuck(void **state)
{
	(void)state;
	struct life_thread *one = life_join(LIFE_CHECK), *other = life_join(LIFE_CHECK);
	life_begin(one, 1);
	for (int i = 0; i < 20; i++)
		look_after(500);
	assert_int_equal(watch.stuck[LIFE_CHECK], 1);
	assert_int_equal(watch.threads[LIFE_CHECK], 2);
	assert_int_equal(life_watch_lost_kind(&watch), LIFE_KIND_COUNT);
	life_begin(other, 1);
	for (int i = 0; i < 40; i++)
		look_after(500);
	assert_int_equal(life_watch_lost_kind(&watch), LIFE_CHECK);
}

static void the_place_of_a_thread_that_ended_is_the_next_ones(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * LIFE_THREADS; i++) {
		struct life_thread *thread = life_join(LIFE_KEEPER);
		assert_non_null(thread);
		life_begin(thread, 1);
		life_leave(thread);
	}
	for (int i = 0; i < 20; i++)
		look_after(500);
	assert_int_equal(watch.threads[LIFE_KEEPER], 0);
	assert_int_equal(watch.latest_ms, 0);
	assert_int_equal(life_watch_lost_kind(&watch), LIFE_KIND_COUNT);
	life_begin(life_join(LIFE_PACKER), 1);
	for (int i = 0; i < 20; i++)
		look_after(500);
	assert_int_equal(life_watch_lost_kind(&watch), LIFE_PACKER);
	life_leave(NULL);
}

static void more_threads_than_there_is_room_for_go_unwatched(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LIFE_THREADS; i++)
		assert_non_null(life_join(LIFE_CHECK));
	struct life_thread *none = life_join(LIFE_CHECK);
	assert_null(none);
	life_begin(none, 1);
	life_rest(none);
	life_use(NULL);
	assert_null(life_join(LIFE_CHECK));
	look_after(500);
	assert_int_equal(watch.threads[LIFE_CHECK], LIFE_THREADS);
}

/* A slab may hold anything: its process may be an attacker's. */
static void garbage_is_read_without_harm(void **state)
{
	(void)state;
	for (int fill = 1; fill < 256; fill += 127) {
		memset(life, fill, sizeof(uint64_t) * (3 + 2 * LIFE_THREADS));
		for (int i = 0; i < 30; i++)
			look_after(500);
		assert_int_equal(life_watch_lost_kind(&watch), LIFE_KIND_COUNT);
		assert_true(watch.latest_ms <= 30 * 500);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_loop_that_turns_is_not_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_silent_one_is_silent_for_as_long_as_it_is_looked_at, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_hour_in_which_nobody_looked_counts_as_one_look, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_of_a_loop_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_past_its_limit_is_stuck, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_short_calls_are_not_one_long_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_kind_is_lost_once_all_its_threads_are_stuck, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_place_of_a_thread_that_ended_is_the_next_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_threads_than_there_is_room_for_go_unwatched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(garbage_is_read_without_harm, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
