/* Counts brought to a Redis that lost them, and charges given back before, amid and after it. */
#include "tests/unit/memory_bench.h"

static void assert_end(const struct bench *bench, uint64_t ends_s)
{
	char end[32];
	snprintf(end, sizeof(end), "%llu", (unsigned long long)ends_s);
	assert_field(bench, "end", end);
}

static void what_all_nodes_bring_is_added_up(void **state)
{
	struct bench *bench = *state;
	BRING(bench, "abc", "one", 3, 4, 500, "");
	BRING(bench, "abc", "two", 2, 2, 200, "");
	assert_field(bench, "m", "5");
	assert_field(bench, "r", "6");
	assert_field(bench, "b", "700");
	BRING(bench, "abc", "one", 4, 6, 600, ""); /* it died meanwhile, and has sent one more */
	assert_field(bench, "m", "6");
	assert_field(bench, "r", "8");
	assert_field(bench, "b", "800");
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	assert_int_equal(bench->state.messages, 7);
}

/* A process that drains, or a node that comes late. */
static void what_was_charged_since_stays_when_somebody_brings_more(void **state)
{
	struct bench *bench = *state;
	BRING(bench, "abc", "one", 10, 10, 100, "");
	for (char token[] = "a-1"; token[0] <= 'c'; token[0]++)
		assert_int_equal(charge(bench, token), QUOTA_GRANTED);
	BRING(bench, "abc", "two", 1, 1, 10, "");
	assert_field(bench, "m", "14");
	assert_field(bench, "r", "17");
	assert_field(bench, "b", "410");
	refund(bench, "c-1");
	BRING(bench, "abc", "two", 2, 2, 20, "");
	assert_field(bench, "m", "14");
	assert_field(bench, "b", "320");
}

/* Of a node with another zone, or whose clock stood elsewhere. */
static void the_day_ends_when_it_was_to(void **state)
{
	struct bench *bench = *state;
	uint64_t ends_s = (uint64_t)time(NULL) + 48U * 3600U;
	bench->ends_s = ends_s;
	BRING(bench, "abc", "one", 3, 4, 500, "");
	bench->ends_s = ends_s - 7200;
	BRING(bench, "abc", "two", 3, 4, 500, "");
	bench->ends_s = ends_s + (uint64_t)300 * 3600;
	BRING(bench, "abc", "three", 3, 4, 500, "");
	assert_end(bench, ends_s);
	assert_field(bench, "m", "9");
}

/* Had Redis not lost it, it would be there, too. */
static void a_day_that_is_over_is_brought_for_a_clock_that_steps_back(void **state)
{
	struct bench *bench = *state;
	bench->ends_s = (uint64_t)time(NULL) - 3600;
	BRING(bench, "abc", "one", 3, 4, 500, "");
	BRING(bench, "abc", "two", 2, 2, 200, "");
	assert_end(bench, bench->ends_s);
	test_redis_shift_clock(&bench->server, -7200);
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	assert_int_equal(bench->state.messages, 6);
	assert_end(bench, bench->ends_s);
}

static void after_a_day_that_is_over_the_next_one_begins(void **state)
{
	struct bench *bench = *state;
	bench->ends_s = (uint64_t)time(NULL) - 3600;
	BRING(bench, "abc", "one", 3, 4, 500, "AAAA:3");
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	assert_int_equal(bench->state.messages, 1);
	assert_true(bench->state.day_ends_at >= bench->ends_s + QUOTA_DAY_LEAST_S);
	assert_field(bench, "p:AAAA", "");
}

/* Whoever comes first: nodes were here on different days, or one of them has not sent for the user since. */
static void of_two_days_the_later_one_counts(void **state)
{
	struct bench *bench = *state;
	const uint64_t yesterday_s = (uint64_t)time(NULL) - 3600, today_s = yesterday_s + 86400;
	bench->ends_s = yesterday_s;
	BRING(bench, "abc", "one", 3, 4, 500, "AAAA:3");
	bench->ends_s = today_s;
	BRING(bench, "abc", "two", 2, 2, 200, "AAAA:1");
	assert_field(bench, "m", "2");
	assert_field(bench, "p:AAAA", "1");
	bench->ends_s = yesterday_s;
	BRING(bench, "abc", "three", 4, 4, 400, "AAAA:4");
	assert_field(bench, "m", "2");
	assert_field(bench, "b", "200");
	assert_field(bench, "p:AAAA", "1");
}

static void of_two_days_that_are_over_the_later_one_counts(void **state)
{
	struct bench *bench = *state;
	const uint64_t yesterday_s = (uint64_t)time(NULL) - 3600;
	bench->ends_s = yesterday_s - 86400;
	BRING(bench, "abc", "one", 3, 4, 500, "");
	bench->ends_s = yesterday_s;
	BRING(bench, "abc", "two", 2, 2, 200, "");
	bench->ends_s = yesterday_s - 86400;
	BRING(bench, "abc", "three", 5, 5, 500, "");
	assert_field(bench, "m", "2");
	assert_end(bench, yesterday_s);
}

/* It was charged yesterday, and the audit's counts are today's. */
static void what_is_of_a_day_before_takes_nothing_when_it_is_given_back(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	test_redis_tell(&bench->server, "DEL " KEY);
	bench->is_pending = true;
	bench->ends_s = bench->state.day_ends_at + 86400;
	BRING(bench, "abc", "one", 3, 6, 300, "");
	refund(bench, "a-1");
	assert_field(bench, "m", "3");
}

/* An older backup: those of a node that is gone are in it alone. */
static void what_is_still_there_is_not_lost_or_counted_twice(void **state)
{
	struct bench *bench = *state;
	BRING(bench, "abc", "one", 10, 10, 100, "");
	BRING(bench, "def", "one", 12, 12, 90, "");
	assert_field(bench, "m", "12");
	assert_field(bench, "b", "100");
	BRING(bench, "ghi", "one", 5, 5, 50, "");
	assert_field(bench, "m", "12");
	BRING(bench, "ghi", "two", 8, 8, 80, "");
	assert_field(bench, "m", "13");
}

static void messages_by_an_app_password_come_back_as_well(void **state)
{
	struct bench *bench = *state;
	BRING(bench, "abc", "one", 3, 3, 0, "AAAA:2 BBBB:1");
	BRING(bench, "abc", "two", 3, 3, 0, "AAAA:3");
	assert_field(bench, "p:AAAA", "5");
	assert_field(bench, "p:BBBB", "1");
	BRING(bench, "abc", "two", 4, 4, 0, "AAAA:4");
	assert_field(bench, "p:AAAA", "6");
}

static void what_is_under_way_can_be_given_back_after_it(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	test_redis_tell(&bench->server, "DEL " KEY);
	bench->is_pending = true;
	BRING(bench, "abc", "one", 3, 6, 300, ""); /* it is among them */
	assert_field(bench, "m", "3");
	refund(bench, "a-1");
	assert_field(bench, "m", "2");
	assert_field(bench, "r", "4");
}

/* It was charged to the memory that lacks counts, does not count, and is in nobody's audit: the others' are more. */
static void a_charge_amid_a_loss_takes_none_of_what_is_brought_when_it_is_given_back(void **state)
{
	struct bench *bench = *state;
	test_redis_tell(&bench->server, "FLUSHALL");
	assert_int_equal(charge(bench, "a-1"), QUOTA_UNKNOWN);
	assert_field(bench, "m", "1");
	BRING(bench, "abc", "one", 3, 6, 300, "");
	assert_field(bench, "m", "3");
	refund(bench, "a-1");
	assert_field(bench, "m", "3");
	assert_field(bench, "r", "6");
	assert_field(bench, "b", "300");
	BRING(bench, "abc", "two", 1, 1, 10, "");
	assert_field(bench, "m", "4");
}

static void a_charge_amid_a_loss_that_is_all_there_is_goes_when_it_is_given_back(void **state)
{
	struct bench *bench = *state;
	test_redis_tell(&bench->server, "FLUSHALL");
	assert_int_equal(charge(bench, "a-1"), QUOTA_UNKNOWN);
	assert_int_equal(charge(bench, "b-1"), QUOTA_UNKNOWN);
	BRING(bench, "abc", "one", 1, 2, 100, "");
	assert_field(bench, "m", "2");
	refund(bench, "a-1");
	assert_field(bench, "m", "1");
	refund(bench, "b-1");
	assert_field(bench, "m", "1");
	assert_field(bench, "b", "100");
}

/* Whoever brings anew, as Redis had not taken all, has it no more. */
static void what_was_given_back_is_brought_once_less(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	test_redis_tell(&bench->server, "DEL " KEY);
	bench->is_pending = true;
	BRING(bench, "abc", "one", 3, 6, 300, "");
	refund(bench, "a-1");
	BRING(bench, "abc", "one", 2, 4, 200, "");
	assert_field(bench, "m", "2");
	assert_field(bench, "b", "200");
}

/* Their tokens are not all there, but what they took is. */
static void what_was_brought_is_not_charged_again(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "a-1"), QUOTA_GRANTED);
	assert_int_equal(charge(bench, "b-1"), QUOTA_GRANTED);
	quota_settle(bench->quota, SPAN(USER), &limits, SPAN("b-1"));
	test_redis_tell(&bench->server, "DEL " KEY);
	BRING(bench, "abc", "one", 2, 4, 200, "");
	assert_int_equal(charge(bench, "c-1"), QUOTA_GRANTED);
	connect_anew(bench);
	assert_field(bench, "m", "3");
	test_redis_tell(&bench->server, "HDEL " KEY " t:c-1"); /* which was charged since */
	connect_anew(bench);
	assert_field(bench, "m", "4");
}

static void many_users_are_brought(void **state)
{
	struct bench *bench = *state;
	static char names[500][32];
	static struct part parts[500];
	for (int i = 0; i < 500; i++) {
		snprintf(names[i], sizeof(names[i]), "user%d@example.com", i);
		parts[i] = (struct part){ .name = names[i], .messages = 1 };
	}
	assert_true(bring(bench, "abc", "one", parts, 500));
	test_redis_tell(&bench->server, "DBSIZE | grep -q 501"); /* and the marker */
}

static void a_redis_that_refuses_is_told(void **state)
{
	struct bench *bench = *state;
	const struct part part = { .name = USER, .messages = 1 };
	test_redis_tell(&bench->server, "SET " KEY " x");
	assert_false(bring(bench, "abc", "one", &part, 1));
	assert_non_null(strstr(bench->why, "WRONGTYPE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_all_nodes_bring_is_added_up),
		WITH_BENCH(what_was_charged_since_stays_when_somebody_brings_more),
		WITH_BENCH(the_day_ends_when_it_was_to),
		WITH_BENCH(a_day_that_is_over_is_brought_for_a_clock_that_steps_back),
		WITH_BENCH(after_a_day_that_is_over_the_next_one_begins),
		WITH_BENCH(of_two_days_the_later_one_counts),
		WITH_BENCH(of_two_days_that_are_over_the_later_one_counts),
		WITH_BENCH(what_is_of_a_day_before_takes_nothing_when_it_is_given_back),
		WITH_BENCH(what_is_still_there_is_not_lost_or_counted_twice),
		WITH_BENCH(messages_by_an_app_password_come_back_as_well),
		WITH_BENCH(what_is_under_way_can_be_given_back_after_it),
		WITH_BENCH(a_charge_amid_a_loss_takes_none_of_what_is_brought_when_it_is_given_back),
		WITH_BENCH(a_charge_amid_a_loss_that_is_all_there_is_goes_when_it_is_given_back),
		WITH_BENCH(what_was_given_back_is_brought_once_less),
		WITH_BENCH(what_was_brought_is_not_charged_again),
		WITH_BENCH(many_users_are_brought),
		WITH_BENCH(a_redis_that_refuses_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
