/* When refusals are answered: a time that is drawn before the verdict, and left to hold every verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/reply_time.h"

#define LANES 4
#define AT_ONCE 60

static void a_refusal_takes_a_second_and_a_random_part(void **state)
{
	struct reply_time times = { 0 };
	struct reply_draw draw;
	(void)state;
	for (uint64_t random = 0; random < 2000; random += 100) {
		reply_time_begin(&times, LANES, random, 5000, &draw);
		assert_in_range(draw.delay_ms, REPLY_LEAST_MS, REPLY_LEAST_MS + 499);
		assert_int_equal(reply_time_left_ms(&draw, 5000), draw.delay_ms);
		assert_int_equal(reply_time_left_ms(&draw, 5400), draw.delay_ms - 400);
		reply_time_end(&times, LANES, &draw, true, 5003);
	}
}

static void what_is_later_than_drawn_waits_as_long_again(void **state)
{
	struct reply_time times = { 0 };
	struct reply_draw draw;
	(void)state;
	reply_time_begin(&times, LANES, 0, 0, &draw);
	assert_int_equal(reply_time_left_ms(&draw, draw.delay_ms + 1), draw.delay_ms - 1);
}

/* So many at once, each of which takes `cost_ms` of a lane: how many verdicts come after their drawn time. */
static unsigned count_late(struct reply_time *times, uint64_t cost_ms, uint64_t now_ms)
{
	struct reply_draw draws[AT_ONCE];
	unsigned late = 0;
	for (unsigned i = 0; i < AT_ONCE; i++)
		reply_time_begin(times, LANES, 0, now_ms, &draws[i]);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		uint64_t took_ms = (i / LANES + 1) * cost_ms;
		late += took_ms > draws[i].delay_ms;
		reply_time_end(times, LANES, &draws[i], true, now_ms + took_ms);
	}
	return late;
}

static void sixty_at_once_have_room_from_the_first(void **state)
{
	(void)state;
	for (uint64_t cost_ms = 1; cost_ms <= 200; cost_ms += 11) {
		struct reply_time times = { 0 };
		assert_int_equal(count_late(&times, cost_ms, 1000), 0);
	}
}

static void a_slow_directory_is_learned(void **state)
{
	struct reply_time times = { 0 };
	(void)state;
	assert_true(count_late(&times, 400, 1000) > 0);
	assert_int_equal(count_late(&times, 400, 8000), 0);
	assert_int_equal(times.checking, 0);
}

static void what_was_slow_once_is_forgotten_and_outages_teach_nothing(void **state)
{
	struct reply_time times = { 0 };
	struct reply_draw draw;
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		reply_time_begin(&times, LANES, 0, 1000, &draw);
		reply_time_end(&times, LANES, &draw, true, 1900);
	}
	reply_time_begin(&times, LANES, 0, 2000, &draw);
	assert_int_equal(draw.delay_ms, 2 * 900);
	reply_time_end(&times, LANES, &draw, false, 14000);
	reply_time_begin(&times, LANES, 0, 2100, &draw);
	assert_int_equal(draw.delay_ms, 2 * 900);
	reply_time_end(&times, LANES, &draw, true, 2101);
	reply_time_begin(&times, LANES, 0, 2000 + 120000, &draw);
	assert_int_equal(draw.delay_ms, REPLY_LEAST_MS);
}

static void no_client_waits_for_ever(void **state)
{
	struct reply_time times = { 0 };
	struct reply_draw draw;
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		reply_time_begin(&times, 1, 499, 0, &draw);
		assert_true(draw.delay_ms <= REPLY_MOST_MS + 499);
	}
}

/* Whoever is remembered is known at once, and a stranger is looked up. */
static void a_salt_comes_at_the_same_time_for_strangers_of_a_slow_directory(void **state)
{
	(void)state;
	for (uint64_t look_up_ms = 5; look_up_ms <= 900; look_up_ms += 5) {
		struct reply_time times = { 0 };
		for (uint64_t now_ms = 1000; now_ms < 20000; now_ms += 1000)
			(void)reply_time_next_step_ms(&times, look_up_ms, true, now_ms);
		uint64_t known_ms = reply_time_next_step_ms(&times, 0, true, 20000);
		assert_int_equal(look_up_ms + reply_time_next_step_ms(&times, look_up_ms, true, 20000), known_ms);
		(void)reply_time_next_step_ms(&times, 5000, false, 20000);
		assert_int_equal(reply_time_next_step_ms(&times, 0, true, 20000), known_ms);
		assert_true(known_ms <= 2 * look_up_ms + REPLY_STEP_MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_salt_comes_at_the_same_time_for_strangers_of_a_slow_directory),
		cmocka_unit_test(a_refusal_takes_a_second_and_a_random_part),
		cmocka_unit_test(what_is_later_than_drawn_waits_as_long_again),
		cmocka_unit_test(sixty_at_once_have_room_from_the_first),
		cmocka_unit_test(a_slow_directory_is_learned),
		cmocka_unit_test(what_was_slow_once_is_forgotten_and_outages_teach_nothing),
		cmocka_unit_test(no_client_waits_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
