/* What is limited in a time that slides: minutes, hours, the last 24 hours. */
#include "with_quota.h"

#define HOUR 3600L

/* ---- windows */

static void a_minute_slides(void **state)
{
	struct quota_bench *bench = *state;
	time_t began = time(NULL);
	bench->limits = (struct quota_limits){ .messages_per_minute = 3 };
	assert_int_equal(charge_many(bench, 5), 3);
	assert_string_equal(bench->state.unit, "messages within a minute");
	assert_in_range(bench->state.resets_at, began + 59, time(NULL) + 66);
	for (long later = 5; later <= 55; later += 5) { /* a new minute begins somewhere in between */
		test_redis_shift_clock(&bench->server, later);
		assert_int_equal(charge_once(bench), QUOTA_BURST_EXCEEDED);
	}
	test_redis_shift_clock(&bench->server, 66);
	assert_int_equal(charge_many(bench, 5), 3);
}

static void an_hour_slides(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .messages_per_hour = 4 };
	assert_int_equal(charge_many(bench, 2), 2);
	test_redis_shift_clock(&bench->server, 1800);
	assert_int_equal(charge_many(bench, 5), 2);
	assert_string_equal(bench->state.unit, "messages within an hour");
	test_redis_shift_clock(&bench->server, 3590);
	assert_int_equal(charge_once(bench), QUOTA_BURST_EXCEEDED);
	test_redis_shift_clock(&bench->server, 3901); /* the first two are gone, the others are not */
	assert_int_equal(charge_many(bench, 5), 2);
}

static void a_refund_makes_room_in_every_window(void **state)
{
	struct quota_bench *bench = *state;
	quota_roll_days(bench->quota);
	bench->limits = (struct quota_limits){
		.messages_per_minute = 1, .messages_per_hour = 1, .messages_per_day = 1, .bytes_per_day = 10
	};
	for (int i = 0; i < 4; i++) {
		assert_int_equal(charge_token(bench, i % 2 ? "odd" : "even"), QUOTA_GRANTED);
		assert_int_not_equal(charge_once(bench), QUOTA_GRANTED);
		refund_token(bench, i % 2 ? "odd" : "even");
		run_redis(bench, i % 2 ? "HDEL test:quota:{alice} t:odd" : "HDEL test:quota:{alice} t:even");
	}
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
}

static void a_window_of_a_clock_that_has_stepped_back_ends_by_the_present_one(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .messages_per_minute = 2 };
	test_redis_shift_clock(&bench->server, 12 * HOUR);
	assert_int_equal(charge_many(bench, 5), 2);
	test_redis_shift_clock(&bench->server, 0);
	assert_int_equal(charge_once(bench), QUOTA_BURST_EXCEEDED);
	test_redis_shift_clock(&bench->server, 66);
	assert_int_equal(charge_many(bench, 5), 2);
}

/* ---- rolling days */

static void rolling_days_hold_any_24_hours_to_the_limit(void **state)
{
	struct quota_bench *bench = *state;
	unsigned granted[72] = { 0 };
	time_t began = time(NULL);
	quota_roll_days(bench->quota);
	bench->limits = (struct quota_limits){ .messages_per_day = 5 };
	for (size_t hour = 0; hour < 20; hour++) {
		test_redis_shift_clock(&bench->server, (long)hour * HOUR);
		granted[hour] = charge_many(bench, hour % 5 ? 0 : 2);
	}
	assert_int_equal(granted[0] + granted[5] + granted[10], 5);
	assert_int_equal(granted[15], 0);
	assert_in_range(bench->state.resets_at, began + 24 * HOUR, time(NULL) + 25 * HOUR);
	assert_int_equal(show_quota(bench, "alice", false)->messages, 5);
}

static void rolling_days_say_when_the_first_message_counts_no_longer(void **state)
{
	struct quota_bench *bench = *state;
	struct quota_state held;
	quota_roll_days(bench->quota);
	bench->limits = (struct quota_limits){ .messages_per_day = 1 };
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	assert_in_range(bench->state.resets_at, time(NULL) + 24 * HOUR - 60, time(NULL) + 25 * HOUR);
	assert_true(quota_is_exhausted(bench->quota, SPAN("alice"), &bench->limits, &held));
	assert_int_equal(held.resets_at, bench->state.resets_at);
	assert_int_equal(show_quota(bench, "alice", false)->resets_at, held.resets_at);
	assert_int_equal(charge_once(bench), QUOTA_DAY_EXCEEDED);
	assert_int_equal(bench->state.resets_at, held.resets_at);
}

static void rolling_days_end_hour_by_hour(void **state)
{
	struct quota_bench *bench = *state;
	quota_roll_days(bench->quota);
	bench->limits = (struct quota_limits){ .messages_per_day = 3 };
	test_redis_shift_clock(&bench->server, -23 * HOUR);
	assert_int_equal(charge_many(bench, 2), 2);
	test_redis_shift_clock(&bench->server, -3 * HOUR);
	assert_int_equal(charge_many(bench, 2), 1);
	run_redis(bench, "HSET test:quota:{alice} end 1"); /* whenever the day ends, it makes no room */
	test_redis_shift_clock(&bench->server, 0);
	assert_int_equal(charge_many(bench, 2), 0);
	assert_int_equal(show_quota(bench, "alice", false)->messages, 3);
}

static void what_was_counted_by_days_counts_when_days_begin_to_roll(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .messages_per_day = 5 };
	assert_int_equal(charge_many(bench, 2), 2);
	quota_roll_days(bench->quota);
	assert_int_equal(show_quota(bench, "alice", false)->messages, 2);
	assert_int_equal(charge_many(bench, 2), 2);
	bench->quota->is_rolling = false; /* a node that does not know yet */
	assert_int_equal(charge_many(bench, 2), 1);
	quota_roll_days(bench->quota);
	assert_int_equal(charge_many(bench, 2), 0);
	assert_int_equal(show_quota(bench, "alice", false)->messages, 5);
}

static void a_clock_of_redis_a_day_ahead_makes_no_second_rolling_day(void **state)
{
	struct quota_bench *bench = *state;
	quota_roll_days(bench->quota);
	bench->limits = (struct quota_limits){ .messages_per_day = 5 };
	assert_int_equal(charge_many(bench, 6), 5);
	test_redis_shift_clock(&bench->server, 23 * HOUR);
	assert_int_equal(charge_many(bench, 6), 0);
	test_redis_shift_clock(&bench->server, 0);
	assert_int_equal(charge_many(bench, 6), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUOTA(a_minute_slides),
		WITH_QUOTA(an_hour_slides),
		WITH_QUOTA(a_refund_makes_room_in_every_window),
		WITH_QUOTA(a_window_of_a_clock_that_has_stepped_back_ends_by_the_present_one),
		WITH_QUOTA(rolling_days_hold_any_24_hours_to_the_limit),
		WITH_QUOTA(rolling_days_say_when_the_first_message_counts_no_longer),
		WITH_QUOTA(rolling_days_end_hour_by_hour),
		WITH_QUOTA(what_was_counted_by_days_counts_when_days_begin_to_roll),
		WITH_QUOTA(a_clock_of_redis_a_day_ahead_makes_no_second_rolling_day),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
