/* One quota a day, against a real redis-server whose clock steps, with nodes in other zones and of an older program. */
#include <time.h>

#include "quota/quota_private.h"
#include "tests/unit/with_noon.h"
#include "tests/unit/with_redis.h"

#define HOUR 3600L
#define DAY (24 * HOUR)
#define KEY "test:quota:{alice}"

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct quota *quota;
	unsigned answers;
	enum quota_verdict verdict;
	struct quota_state state;
	struct quota_report report;
	int64_t integer;
};

static const struct quota_limits five = { .messages_per_day = 5 };
static const struct quota_name alice = { .name = { "alice", 5 } };

static void on_verdict(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct bench *bench = context;
	bench->answers++;
	bench->verdict = verdict;
	bench->state = *state;
}

static void on_report(void *context, const struct quota_report *report)
{
	struct bench *bench = context;
	assert_non_null(report);
	bench->answers++;
	bench->report = *report;
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct bench *bench = context;
	assert_int_equal(status, STATUS_OK);
	assert_int_not_equal(redis_value_type(value), REDIS_ERROR);
	bench->answers++;
	bench->integer = redis_value_integer(value);
}

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool has_answer(void *context)
{
	return ((struct bench *)context)->answers > 0;
}

static bool no_refunds(void *context)
{
	return quota_refunds_pending(((struct bench *)context)->quota) == 0;
}

static void move_to_noon(int hours_later)
{
	assert_int_equal(quota_day_set_zone(test_noon(hours_later)), STATUS_OK);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_let_clock_shift(&bench->server);
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_int_equal(quota_create(bench->loop, bench->redis, "test:", test_noon(0), &bench->quota), STATUS_OK);
	run_until(bench->loop, is_up, bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	quota_free(&bench->quota);
	redis_free(&bench->redis);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static enum quota_verdict charge_token(struct bench *bench, const char *token)
{
	bench->answers = 0;
	const struct quota_order order = {
		.user = SPAN("alice"), .user_id = SPAN("corp:1"), .token = span_of(token), .recipients = 1, .bytes = 10
	};
	assert_int_equal(quota_charge(bench->quota, &order, &five, on_verdict, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	return bench->verdict;
}

static enum quota_verdict charge_next(struct bench *bench)
{
	static unsigned number;
	char token[16];
	snprintf(token, sizeof(token), "t%u", number++);
	return charge_token(bench, token);
}

static unsigned charge_all(struct bench *bench)
{
	unsigned granted = 0;
	for (int i = 0; i < 8; i++)
		granted += charge_next(bench) == QUOTA_GRANTED;
	return granted;
}

static uint64_t used_by_alice(struct bench *bench)
{
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, &alice, &five, true, on_report, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	bench->state.resets_at = bench->report.resets_at;
	return bench->report.messages;
}

static int64_t run_command(struct bench *bench, const char *line)
{
	struct span arguments[16], rest = span_of(line);
	size_t count = 0;
	while (span_cut(&rest, ' ', &arguments[count]))
		count++;
	bench->answers = 0;
	assert_int_equal(redis_call(bench->redis, arguments, count, PATIENCE_MS, on_answer, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	return bench->integer;
}

static void set_field(struct bench *bench, const char *field, long value)
{
	char line[128];
	snprintf(line, sizeof(line), "HSET " KEY " %s %ld", field, value);
	run_command(bench, line);
}

/* The user's day began a day ago and ended `ago` seconds ago, by every clock. */
static void end_day(struct bench *bench, long ago)
{
	set_field(bench, "day", time(NULL) - DAY - ago);
	set_field(bench, "end", time(NULL) - ago);
}

static void nodes_in_two_zones_grant_one_quota(void **state)
{
	struct bench *bench = *state;
	unsigned granted = 0;
	for (int i = 0; i < 30; i++) {
		move_to_noon(i % 2 ? 2 : 0);
		granted += charge_next(bench) == QUOTA_GRANTED;
	}
	assert_int_equal(granted, 5);
	uint64_t resets_at = bench->state.resets_at;
	for (int i = 0; i < 2; i++) {
		move_to_noon(i % 2 ? 2 : 0);
		assert_int_equal(used_by_alice(bench), 5);
		assert_int_equal(bench->state.resets_at, resets_at);
	}
}

static void a_clock_of_redis_that_steps_makes_no_second_day(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	uint64_t resets_at = bench->state.resets_at;
	for (int i = 0; i < 6; i++) {
		test_redis_shift_clock(&bench->server, (i % 2 ? -13 : 13) * HOUR);
		assert_int_equal(charge_next(bench), QUOTA_DAY_EXCEEDED);
		assert_int_equal(bench->state.resets_at, resets_at);
		assert_int_equal(used_by_alice(bench), 5);
	}
}

static void a_clock_that_steps_back_into_the_day_before_goes_on_counting(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_next(bench), QUOTA_GRANTED);
	end_day(bench, 10);
	assert_int_equal(charge_all(bench), 5);
	for (long back = 0; back <= 20 * HOUR; back += 4 * HOUR) {
		test_redis_shift_clock(&bench->server, -back);
		assert_int_equal(charge_next(bench), QUOTA_DAY_EXCEEDED);
	}
}

static void a_clock_a_year_ahead_for_a_moment_makes_nobody_forgotten(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	test_redis_shift_clock(&bench->server, 365 * DAY);
	assert_int_not_equal(charge_next(bench), QUOTA_GRANTED);
	assert_int_equal(run_command(bench, "EXISTS " KEY), 1);
	test_redis_shift_clock(&bench->server, 0);
	assert_int_equal(charge_next(bench), QUOTA_DAY_EXCEEDED);
}

static void a_day_that_a_wrong_clock_began_ends(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	set_field(bench, "day", time(NULL) + 365 * DAY);
	set_field(bench, "end", time(NULL) + 366 * DAY);
	for (int i = 0; i < 2; i++) /* the second finds what the first put right */
		assert_int_equal(charge_next(bench), QUOTA_DAY_EXCEEDED);
	set_field(bench, "end", time(NULL) - 1);
	assert_int_equal(charge_all(bench), 5);
}

static void clocks_more_than_a_day_apart_charge_nothing(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < 2; i++) {
		test_redis_shift_clock(&bench->server, (i ? -25 : 25) * HOUR);
		assert_int_not_equal(charge_next(bench), QUOTA_GRANTED);
	}
	test_redis_shift_clock(&bench->server, 0);
	assert_int_equal(used_by_alice(bench), 0);
}

static void a_day_that_is_over_makes_room_once(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	end_day(bench, 1);
	assert_int_equal(used_by_alice(bench), 0);
	assert_int_equal(charge_all(bench), 5);
	assert_int_equal(charge_all(bench), 0);
}

static void the_next_end_is_22_hours_later_at_least(void **state)
{
	struct bench *bench = *state;
	uint64_t ended = (uint64_t)time(NULL) - 10; /* about noon here: a midnight of another zone */
	assert_int_equal(charge_all(bench), 5);
	end_day(bench, 10);
	assert_int_equal(charge_next(bench), QUOTA_GRANTED);
	assert_in_range(bench->state.resets_at, ended + 35 * HOUR, ended + 37 * HOUR);
}

static void what_a_program_without_ends_counted_goes_on(void **state)
{
	struct bench *bench = *state;
	set_field(bench, "day", time(NULL) - 12 * HOUR);
	set_field(bench, "m", 3);
	assert_int_equal(used_by_alice(bench), 3);
	assert_int_equal(charge_all(bench), 2);
	assert_in_range(bench->state.resets_at, time(NULL) + 9 * HOUR, time(NULL) + 13 * HOUR);
	run_command(bench, "DEL " KEY);
	set_field(bench, "day", time(NULL) - 36 * HOUR);
	set_field(bench, "m", 3);
	assert_int_equal(charge_all(bench), 5);
}

static void a_day_that_an_older_program_began_goes_on(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	set_field(bench, "end", time(NULL) - 1 * HOUR);
	set_field(bench, "day", time(NULL) - 1 * HOUR); /* it knows nothing of `end` */
	set_field(bench, "m", 4);
	assert_int_equal(charge_all(bench), 1);
}

static void an_end_of_a_clock_set_wrong_comes_nearer(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	set_field(bench, "end", time(NULL) + 300 * DAY);
	assert_int_equal(charge_next(bench), QUOTA_DAY_EXCEEDED);
	assert_in_range(bench->state.resets_at, time(NULL) + 22 * HOUR - 60, time(NULL) + 48 * HOUR);
	uint64_t resets_at = bench->state.resets_at;
	test_redis_shift_clock(&bench->server, 15 * HOUR);
	assert_int_equal(charge_next(bench), QUOTA_DAY_EXCEEDED);
	assert_int_equal(bench->state.resets_at, resets_at);
}

static void a_token_of_yesterday_gives_nothing_back_today(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_token(bench, "yesterday"), QUOTA_GRANTED);
	end_day(bench, 1);
	assert_int_equal(charge_all(bench), 5);
	quota_refund(bench->quota, SPAN("alice"), &five, SPAN("yesterday"));
	run_until(bench->loop, no_refunds, bench);
	assert_int_equal(used_by_alice(bench), 5);
}

static void a_reset_leaves_the_end_where_it_is(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	set_field(bench, "end", time(NULL) + 5 * HOUR);
	uint64_t before = (uint64_t)time(NULL);
	bench->answers = 0;
	assert_int_equal(quota_reset(bench->quota, &alice, &five, true, on_report, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(charge_all(bench), 5);
	assert_in_range(bench->state.resets_at, before + 5 * HOUR - 60, before + 5 * HOUR);
}

static bool has_alice_some_left(void *context)
{
	struct bench *bench = context;
	struct quota_state seen;
	return !quota_is_exhausted(bench->quota, SPAN("alice"), &five, &seen);
}

static void a_count_of_a_day_that_is_over_refuses_nobody_early(void **state)
{
	struct bench *bench = *state;
	struct quota_state seen;
	assert_int_equal(charge_all(bench), 5);
	assert_true(quota_is_exhausted(bench->quota, SPAN("alice"), &five, &seen));
	set_field(bench, "end", time(NULL) + 5);
	assert_int_equal(charge_next(bench), QUOTA_DAY_EXCEEDED);
	assert_true(quota_is_exhausted(bench->quota, SPAN("alice"), &five, &seen));
	run_until(bench->loop, has_alice_some_left, bench);
}

/* Three years, hour by hour, in zones whose summer time begins at midnight, at two, and by half an hour. */
static void days_follow_each_other_through_summer_time(void **state)
{
	static const char *const zones[] = { "UTC",          "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe",
					     "Pacific/Apia", "Africa/Cairo" };
	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		assert_int_equal(quota_day_set_zone(zones[i]), STATUS_OK);
		for (uint64_t now = 1767225600; now < 1767225600 + 3 * 365 * DAY; now += HOUR) {
			uint64_t numbers[QUOTA_DAY_NUMBERS];
			quota_day_numbers(now, numbers);
			assert_int_equal(numbers[0], now);
			assert_true(numbers[2] <= now && now < numbers[3]);
			for (size_t day = 2; day < QUOTA_DAY_NUMBERS; day++)
				assert_in_range(numbers[day] - numbers[day - 1], 23 * HOUR, 25 * HOUR);
		}
	}
}

static void expect_days(struct quota_days *days, uint64_t now)
{
	uint64_t numbers[QUOTA_DAY_NUMBERS], told;
	struct span rest = quota_days_text(days, now), text;
	quota_day_numbers(now, numbers);
	for (size_t i = 1; i < QUOTA_DAY_NUMBERS; i++) {
		assert_true(span_cut(&rest, ' ', &text));
		assert_int_equal(span_to_u64(text, &told), STATUS_OK);
		assert_int_equal(told, numbers[i]);
	}
	assert_true(span_is_empty(rest));
}

/* Forwards, back, and in leaps: what was kept of one day is never told on another. */
static void what_is_kept_of_a_day_is_right_whatever_the_clock_does(void **state)
{
	static const char *const zones[] = { "Europe/Berlin", "America/Santiago", "Asia/Beirut", "Australia/Lord_Howe",
					     "Pacific/Apia" };
	const uint64_t begin = 1767225600, steps = 365 * 48;
	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		struct quota_days days[3] = { 0 };
		assert_int_equal(quota_day_set_zone(zones[i]), STATUS_OK);
		for (uint64_t step = 0; step < steps; step++) {
			const uint64_t at[] = { step, steps - step, step * 7919 % steps };
			for (size_t j = 0; j < 3; j++)
				expect_days(&days[j], begin + at[j] * HOUR / 2);
		}
	}
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(nodes_in_two_zones_grant_one_quota),
		WITH_BENCH(a_clock_of_redis_that_steps_makes_no_second_day),
		WITH_BENCH(a_clock_that_steps_back_into_the_day_before_goes_on_counting),
		WITH_BENCH(a_clock_a_year_ahead_for_a_moment_makes_nobody_forgotten),
		WITH_BENCH(a_day_that_a_wrong_clock_began_ends),
		WITH_BENCH(clocks_more_than_a_day_apart_charge_nothing),
		WITH_BENCH(a_day_that_is_over_makes_room_once),
		WITH_BENCH(the_next_end_is_22_hours_later_at_least),
		WITH_BENCH(what_a_program_without_ends_counted_goes_on),
		WITH_BENCH(a_day_that_an_older_program_began_goes_on),
		WITH_BENCH(an_end_of_a_clock_set_wrong_comes_nearer),
		WITH_BENCH(a_token_of_yesterday_gives_nothing_back_today),
		WITH_BENCH(a_reset_leaves_the_end_where_it_is),
		WITH_BENCH(a_count_of_a_day_that_is_over_refuses_nobody_early),
		cmocka_unit_test(days_follow_each_other_through_summer_time),
		cmocka_unit_test(what_is_kept_of_a_day_is_right_whatever_the_clock_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
