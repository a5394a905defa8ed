/* One quota a day, against a real redis-server whose clock steps, with nodes in other zones and of an older program. */
#include <time.h>

#include "quota/quota_private.h"
#include "tests/unit/with_redis.h"

#define HOUR 3600L
#define DAY (24 * HOUR)
#define KEY "test:quota:{alice}"
#define ZONE_SIZE 24

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct quota *quota;
	unsigned answers;
	enum quota_verdict verdict;
	struct quota_state state;
	int64_t integer;
};

static const struct quota_limits five = { .messages_per_day = 5 };

static void on_verdict(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct bench *bench = context;
	bench->answers++;
	bench->verdict = verdict;
	bench->state = *state;
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

/* A zone in which it is noon, or some hours later, so that no test runs into midnight. */
static void name_noon(int hours_later, char out_zone[ZONE_SIZE])
{
	time_t now = time(NULL);
	struct tm utc;
	int offset = 12 - gmtime_r(&now, &utc)->tm_hour + hours_later;
	snprintf(out_zone, ZONE_SIZE, "Etc/GMT%+d", -offset); /* their signs are those of POSIX */
}

static void move_to_noon(int hours_later)
{
	char zone[ZONE_SIZE];
	name_noon(hours_later, zone);
	assert_int_equal(quota_day_set_zone(zone), STATUS_OK);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	char zone[ZONE_SIZE];
	test_redis_let_clock_shift(&bench->server);
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	name_noon(0, zone);
	assert_int_equal(quota_create(bench->loop, bench->redis, "test:", zone, &bench->quota), STATUS_OK);
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
	assert_int_equal(quota_charge(bench->quota, SPAN("alice"), span_of(token), &five, 1, 10, on_verdict, bench),
			 STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	return bench->verdict;
}

static enum quota_verdict charge(struct bench *bench)
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
		granted += charge(bench) == QUOTA_GRANTED;
	return granted;
}

static uint64_t used(struct bench *bench)
{
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, SPAN("alice"), &five, on_verdict, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->verdict, QUOTA_GRANTED);
	return bench->state.messages;
}

static int64_t command(struct bench *bench, const char *line)
{
	struct span arguments[16], rest = span_of(line);
	size_t count = 0;
	while (span_cut(&rest, ' ', &arguments[count]))
		count++;
	bench->answers = 0;
	assert_int_equal(redis_call(bench->redis, arguments, count, 5000, on_answer, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	return bench->integer;
}

static void set_field(struct bench *bench, const char *field, long value)
{
	char line[128];
	snprintf(line, sizeof(line), "HSET " KEY " %s %ld", field, value);
	command(bench, line);
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
		granted += charge(bench) == QUOTA_GRANTED;
	}
	assert_int_equal(granted, 5);
	uint64_t resets_at = bench->state.resets_at;
	for (int i = 0; i < 2; i++) {
		move_to_noon(i % 2 ? 2 : 0);
		assert_int_equal(used(bench), 5);
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
		assert_int_equal(charge(bench), QUOTA_DAY_EXCEEDED);
		assert_int_equal(bench->state.resets_at, resets_at);
		assert_int_equal(used(bench), 5);
	}
}

static void a_clock_that_steps_back_into_the_day_before_goes_on_counting(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench), QUOTA_GRANTED);
	end_day(bench, 10);
	assert_int_equal(charge_all(bench), 5);
	for (long back = 0; back <= 20 * HOUR; back += 4 * HOUR) {
		test_redis_shift_clock(&bench->server, -back);
		assert_int_equal(charge(bench), QUOTA_DAY_EXCEEDED);
	}
}

static void a_clock_a_year_ahead_for_a_moment_makes_nobody_forgotten(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	test_redis_shift_clock(&bench->server, 365 * DAY);
	assert_int_not_equal(charge(bench), QUOTA_GRANTED);
	assert_int_equal(command(bench, "EXISTS " KEY), 1);
	test_redis_shift_clock(&bench->server, 0);
	assert_int_equal(charge(bench), QUOTA_DAY_EXCEEDED);
}

static void clocks_more_than_a_day_apart_charge_nothing(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < 2; i++) {
		test_redis_shift_clock(&bench->server, (i ? -25 : 25) * HOUR);
		assert_int_not_equal(charge(bench), QUOTA_GRANTED);
	}
	test_redis_shift_clock(&bench->server, 0);
	assert_int_equal(used(bench), 0);
}

static void a_day_that_is_over_makes_room_once(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	end_day(bench, 1);
	assert_int_equal(used(bench), 0);
	assert_int_equal(charge_all(bench), 5);
	assert_int_equal(charge_all(bench), 0);
}

static void the_next_end_is_22_hours_later_at_least(void **state)
{
	struct bench *bench = *state;
	uint64_t ended = (uint64_t)time(NULL) - 10; /* about noon here: a midnight of another zone */
	assert_int_equal(charge_all(bench), 5);
	end_day(bench, 10);
	assert_int_equal(charge(bench), QUOTA_GRANTED);
	assert_in_range(bench->state.resets_at, ended + 35 * HOUR, ended + 37 * HOUR);
}

static void what_a_program_without_ends_counted_goes_on(void **state)
{
	struct bench *bench = *state;
	set_field(bench, "day", time(NULL) - 12 * HOUR);
	set_field(bench, "m", 3);
	assert_int_equal(used(bench), 3);
	assert_int_equal(charge_all(bench), 2);
	assert_in_range(bench->state.resets_at, time(NULL) + 9 * HOUR, time(NULL) + 13 * HOUR);
	command(bench, "DEL " KEY);
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
	assert_int_equal(charge(bench), QUOTA_DAY_EXCEEDED);
	assert_in_range(bench->state.resets_at, time(NULL) + 22 * HOUR - 60, time(NULL) + 48 * HOUR);
	uint64_t resets_at = bench->state.resets_at;
	test_redis_shift_clock(&bench->server, 15 * HOUR);
	assert_int_equal(charge(bench), QUOTA_DAY_EXCEEDED);
	assert_int_equal(bench->state.resets_at, resets_at);
}

static void a_token_of_yesterday_gives_nothing_back_today(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_token(bench, "yesterday"), QUOTA_GRANTED);
	end_day(bench, 1);
	assert_int_equal(charge_all(bench), 5);
	quota_refund(bench->quota, SPAN("alice"), SPAN("yesterday"));
	run_until(bench->loop, no_refunds, bench);
	assert_int_equal(used(bench), 5);
}

static void a_reset_leaves_the_end_where_it_is(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_all(bench), 5);
	set_field(bench, "end", time(NULL) + 5 * HOUR);
	uint64_t before = (uint64_t)time(NULL);
	bench->answers = 0;
	assert_int_equal(quota_reset(bench->quota, SPAN("alice"), &five, on_verdict, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(charge_all(bench), 5);
	assert_in_range(bench->state.resets_at, before + 5 * HOUR - 60, before + 5 * HOUR);
}

static void a_count_of_a_day_that_is_over_refuses_nobody_early(void **state)
{
	struct bench *bench = *state;
	struct quota_state seen;
	assert_int_equal(charge_all(bench), 5);
	assert_true(quota_is_exhausted(bench->quota, SPAN("alice"), &five, &seen));
	set_field(bench, "end", time(NULL) + 2);
	assert_int_equal(used(bench), 5);
	run_for(bench->loop, 2100);
	assert_false(quota_is_exhausted(bench->quota, SPAN("alice"), &five, &seen));
}

static void a_minute_that_has_not_come_lasts(void **state)
{
	struct bench *bench = *state;
	struct quota_limits limits = { .messages_per_day = 100, .messages_per_minute = 3 };
	set_field(bench, "minute", time(NULL) / 60 + 5);
	set_field(bench, "n", 3);
	bench->answers = 0;
	assert_int_equal(quota_charge(bench->quota, SPAN("alice"), SPAN("t"), &limits, 1, 1, on_verdict, bench),
			 STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->verdict, QUOTA_BURST_EXCEEDED);
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

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(nodes_in_two_zones_grant_one_quota),
		WITH_BENCH(a_clock_of_redis_that_steps_makes_no_second_day),
		WITH_BENCH(a_clock_that_steps_back_into_the_day_before_goes_on_counting),
		WITH_BENCH(a_clock_a_year_ahead_for_a_moment_makes_nobody_forgotten),
		WITH_BENCH(clocks_more_than_a_day_apart_charge_nothing),
		WITH_BENCH(a_day_that_is_over_makes_room_once),
		WITH_BENCH(the_next_end_is_22_hours_later_at_least),
		WITH_BENCH(what_a_program_without_ends_counted_goes_on),
		WITH_BENCH(a_day_that_an_older_program_began_goes_on),
		WITH_BENCH(an_end_of_a_clock_set_wrong_comes_nearer),
		WITH_BENCH(a_token_of_yesterday_gives_nothing_back_today),
		WITH_BENCH(a_reset_leaves_the_end_where_it_is),
		WITH_BENCH(a_count_of_a_day_that_is_over_refuses_nobody_early),
		WITH_BENCH(a_minute_that_has_not_come_lasts),
		cmocka_unit_test(days_follow_each_other_through_summer_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
