/* What becomes of charges when Redis loses some or all of them: against a real redis-server. */
#include "tests/unit/memory_bench.h"

static void what_redis_lost_of_the_last_seconds_is_charged_again(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	test_redis_tell(&bench->server, "COPY " KEY " kept");
	assert_int_equal(charge(bench, "b-1"), QUOTA_GRANTED);
	assert_int_equal(charge(bench, "c-1"), QUOTA_GRANTED);
	quota_settle(bench->quota, SPAN(USER), &limits, SPAN("b-1"));
	test_redis_tell(&bench->server, "COPY kept " KEY " REPLACE");
	assert_field(bench, "m", "1");
	connect_anew(bench);
	assert_field(bench, "m", "3");
	assert_field(bench, "r", "6");
	assert_field(bench, "b", "300");
	connect_anew(bench);
	assert_field(bench, "m", "3");
}

static void what_was_given_back_is_not_charged_again(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	assert_int_equal(charge(bench, "b-1"), QUOTA_GRANTED);
	refund(bench, "b-1");
	test_redis_tell(&bench->server, "DEL " KEY);
	connect_anew(bench);
	assert_field(bench, "m", "1");
	refund(bench, "a-1");
	assert_field(bench, "m", "0");
	assert_field(bench, "r", "0");
}

/* Its token stays in Redis for as long as it may be repeated: else it would be charged twice. */
static void a_settled_charge_is_known_to_redis_when_it_is_repeated(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	quota_settle(bench->quota, SPAN(USER), &limits, SPAN("a-1"));
	assert_int_equal(charge(bench, "b-1"), QUOTA_GRANTED);
	connect_anew(bench);
	assert_field(bench, "m", "2");
}

/* The day began by Redis's clock and another node's; this node's is behind, and charges to it all the same. */
static void a_charge_by_a_clock_that_is_behind_is_repeated_too(void **state)
{
	struct bench *bench = *state;
	char line[64];
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	snprintf(line, sizeof(line), "HSET " KEY " day %llu", (unsigned long long)time(NULL) + 600);
	test_redis_tell(&bench->server, line);
	test_redis_tell(&bench->server, "COPY " KEY " kept");
	assert_int_equal(charge(bench, "b-1"), QUOTA_GRANTED);
	test_redis_tell(&bench->server, "COPY kept " KEY " REPLACE");
	connect_anew(bench);
	assert_field(bench, "m", "2");
}

static void what_is_of_a_day_that_is_over_is_not_charged_again(void **state)
{
	struct bench *bench = *state;
	char line[96];
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	snprintf(line, sizeof(line), "HSET " KEY " day %llu end %llu m 5", (unsigned long long)bench->state.day_ends_at,
		 (unsigned long long)bench->state.day_ends_at + 86400);
	test_redis_tell(&bench->server, line);
	test_redis_tell(&bench->server, "HDEL " KEY " t:a-1");
	connect_anew(bench);
	assert_field(bench, "m", "5");
}

static bool is_put_off(void *context)
{
	struct span why;
	return !memory_may_charge(((struct bench *)context)->memory, &why) &&
	       span_starts_with(why, SPAN("the last charges can't be repeated yet: CLOCK "));
}

/* Nothing is known to be lost then: the other nodes need not wait for one whose clock is wrong. */
static void what_redis_can_not_take_for_now_is_no_loss(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	test_redis_tell(&bench->server, "COPY " KEY " kept");
	assert_int_equal(charge(bench, "b-1"), QUOTA_GRANTED);
	test_redis_shift_clock(&bench->server, 2 * 86400L);
	test_redis_tell(&bench->server, "COPY kept " KEY " REPLACE");
	test_redis_tell(&bench->server, "CLIENT KILL TYPE normal");
	run_until(bench->loop, is_put_off, bench);
	test_redis_shift_clock(&bench->server, 0);
	run_until(bench->loop, may_charge, bench);
	assert_field(bench, "m", "2");
	assert_int_equal(bench->losses, 0);
}

static void a_charge_that_a_loss_overtakes_does_not_count(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	test_redis_tell(&bench->server, "FLUSHALL");
	assert_int_equal(charge(bench, "b-1"), QUOTA_UNKNOWN);
	assert_true(span_equal(bench->state.trouble, SPAN("Redis has lost counts")));
	assert_false(may_charge(bench));
	assert_int_equal(bench->losses, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_redis_lost_of_the_last_seconds_is_charged_again),
		WITH_BENCH(what_was_given_back_is_not_charged_again),
		WITH_BENCH(a_settled_charge_is_known_to_redis_when_it_is_repeated),
		WITH_BENCH(a_charge_by_a_clock_that_is_behind_is_repeated_too),
		WITH_BENCH(what_is_of_a_day_that_is_over_is_not_charged_again),
		WITH_BENCH(what_redis_can_not_take_for_now_is_no_loss),
		WITH_BENCH(a_charge_that_a_loss_overtakes_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
