/* The pace: a burst, then so much a second. */
#include "base/log_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct pace_limit limit = { .burst = 10, .a_second = 2 };

static unsigned take_all(struct pace *pace, uint64_t now_ms)
{
	unsigned taken = 0;
	while (taken < 1000 && pace_take(pace, &limit, 1, now_ms))
		taken++;
	return taken;
}

static void lines_of_a_log_tell_how_many_were_left_out(void **state)
{
	struct log_pace lines = { 0 };
	char more[LOG_PACE_TEXT] = "x";
	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_true(log_pace_take(&lines, 5000, more));
		assert_string_equal(more, "");
	}
	for (int i = 0; i < 7; i++)
		assert_false(log_pace_take(&lines, 5999, more));
	assert_true(log_pace_take(&lines, 6000, more));
	assert_string_equal(more, " (7 more since the last such line)");
	assert_true(log_pace_take(&lines, 7000, more));
	assert_string_equal(more, "");
}

static void a_burst_and_then_what_time_gives(void **state)
{
	struct pace pace = { 0 };
	(void)state;
	assert_int_equal(take_all(&pace, 5000), 10);
	assert_int_equal(take_all(&pace, 5499), 0);
	assert_int_equal(take_all(&pace, 5500), 1);
	assert_int_equal(take_all(&pace, 8500), 6);
	assert_int_equal(take_all(&pace, 8501), 0);
	assert_int_equal(take_all(&pace, 1000000), 10); /* never more than the burst */
}

static void several_units_are_taken_whole_or_not_at_all(void **state)
{
	struct pace pace = { 0 };
	(void)state;
	assert_false(pace_take(&pace, &limit, 11, 0));
	assert_true(pace_take(&pace, &limit, 7, 0));
	assert_false(pace_take(&pace, &limit, 4, 0));
	assert_true(pace_take(&pace, &limit, 3, 0));
}

static void a_clock_that_stands_or_steps_back_gives_nothing(void **state)
{
	struct pace pace = { 0 };
	(void)state;
	assert_int_equal(take_all(&pace, 5000), 10);
	assert_int_equal(take_all(&pace, 0), 0);
	assert_int_equal(take_all(&pace, 5000), 0);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
	struct pace pace = { 0 };
	(void)state;
	assert_int_equal(take_all(&pace, 0), 10);
	pace_give_back(&pace, 3);
	assert_int_equal(take_all(&pace, 0), 3);
	pace_give_back(&pace, 100);
	assert_int_equal(take_all(&pace, 0), 10);
}

static void a_charge_beyond_the_limit_is_waited_for(void **state)
{
	struct pace pace = { 0 };
	(void)state;
	assert_int_equal(pace_wait_ms(&pace, &limit, 0), 0);
	pace_charge(&pace, &limit, 14, 0);
	assert_int_equal(pace_wait_ms(&pace, &limit, 0), 2500);
	assert_int_equal(pace_wait_ms(&pace, &limit, 2499), 1);
	assert_true(pace_take(&pace, &limit, 1, 2500));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_what_time_gives),
		cmocka_unit_test(lines_of_a_log_tell_how_many_were_left_out),
		cmocka_unit_test(several_units_are_taken_whole_or_not_at_all),
		cmocka_unit_test(a_clock_that_stands_or_steps_back_gives_nothing),
		cmocka_unit_test(what_is_given_back_can_be_taken_again),
		cmocka_unit_test(a_charge_beyond_the_limit_is_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
