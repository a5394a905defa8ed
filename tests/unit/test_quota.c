/* Quota against a real redis-server: what a charge, a refund and a tombstone do, in every order. */
#include "quota/quota.h"
#include "tests/unit/with_redis.h"

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct quota *quota;
	unsigned answers;
	enum quota_verdict verdict;
	struct quota_state state;
	char trouble[200];
};

static const struct quota_limits five = { .messages_per_day = 5 };

static void on_verdict(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct bench *bench = context;
	bench->answers++;
	bench->verdict = verdict;
	bench->state = *state;
	snprintf(bench->trouble, sizeof(bench->trouble), "%.*s", SPAN_ARGS(state->trouble));
}

static void ignore_answer(void *context, enum status status, const struct redis_value *value)
{
	(void)context, (void)status, (void)value;
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

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_int_equal(quota_create(bench->loop, bench->redis, "test:", "UTC", &bench->quota), STATUS_OK);
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

static enum quota_verdict charge(struct bench *bench, const char *token, const struct quota_limits *limits,
				 uint64_t recipients, uint64_t bytes)
{
	bench->answers = 0;
	assert_int_equal(
		quota_charge(bench->quota, SPAN("alice"), span_of(token), limits, recipients, bytes, on_verdict, bench),
		STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->answers, 1);
	return bench->verdict;
}

static void refund(struct bench *bench, const char *token)
{
	quota_refund(bench->quota, SPAN("alice"), span_of(token));
	run_until(bench->loop, no_refunds, bench);
}

static uint64_t used(struct bench *bench)
{
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, SPAN("alice"), &five, on_verdict, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->verdict, QUOTA_GRANTED);
	return bench->state.messages;
}

static void the_sixth_of_five_is_refused_and_tells_when_the_day_ends(void **state)
{
	struct bench *bench = *state;
	char token[8], text[160];
	for (int i = 0; i < 5; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		assert_int_equal(charge(bench, token, &five, 1, 10), QUOTA_GRANTED);
		assert_int_equal(bench->state.messages, i + 1);
	}
	assert_int_equal(charge(bench, "t5", &five, 1, 10), QUOTA_DAY_EXCEEDED);
	assert_int_equal(bench->state.used, 5);
	assert_int_equal(bench->state.limit, 5);
	assert_int_equal(bench->state.resets_at % 86400, 0);
	quota_format(bench->verdict, &bench->state, text, sizeof(text));
	assert_non_null(strstr(text, "Daily sending quota exceeded: 5 of 5 messages, resets at 20"));
	assert_int_equal(used(bench), 5);
}

static void a_token_is_charged_once_however_often_it_comes(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "same", &five, 1, 10), QUOTA_GRANTED);
	assert_int_equal(charge(bench, "same", &five, 1, 10), QUOTA_GRANTED);
	assert_int_equal(used(bench), 1);
}

static void a_token_is_refunded_once_however_often_it_is_asked(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "one", &five, 2, 10), QUOTA_GRANTED);
	assert_int_equal(charge(bench, "two", &five, 2, 10), QUOTA_GRANTED);
	refund(bench, "one");
	refund(bench, "one");
	assert_int_equal(used(bench), 1);
	assert_int_equal(bench->state.recipients, 2);
	assert_int_equal(bench->state.bytes, 10);
}

static void a_charge_that_comes_after_its_refund_is_refused(void **state)
{
	struct bench *bench = *state;
	refund(bench, "late");
	assert_int_equal(charge(bench, "late", &five, 1, 10), QUOTA_UNKNOWN);
	assert_int_equal(used(bench), 0);
}

static void a_settled_token_is_forgotten_and_its_refund_changes_nothing(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "sent", &five, 1, 10), QUOTA_GRANTED);
	quota_settle(bench->quota, SPAN("alice"), SPAN("sent"));
	assert_int_equal(charge(bench, "next", &five, 1, 10), QUOTA_GRANTED);
	refund(bench, "sent");
	assert_int_equal(used(bench), 2);
}

static void recipients_and_bytes_have_limits_of_their_own(void **state)
{
	struct bench *bench = *state;
	struct quota_limits limits = { .recipients_per_day = 10, .bytes_per_day = 1000 };
	assert_int_equal(charge(bench, "a", &limits, 8, 100), QUOTA_GRANTED);
	assert_int_equal(charge(bench, "b", &limits, 3, 100), QUOTA_DAY_EXCEEDED);
	assert_string_equal(bench->state.unit, "recipients");
	assert_int_equal(charge(bench, "c", &limits, 2, 901), QUOTA_DAY_EXCEEDED);
	assert_string_equal(bench->state.unit, "bytes");
	assert_int_equal(charge(bench, "d", &limits, 2, 900), QUOTA_GRANTED);
	assert_int_equal(used(bench), 2);
}

static void a_burst_is_told_from_a_day(void **state)
{
	struct bench *bench = *state;
	struct quota_limits limits = { .messages_per_day = 100, .messages_per_minute = 2 };
	char token[8];
	int granted = 0;
	for (int i = 0; i < 5; i++) { /* a minute may end in between */
		snprintf(token, sizeof(token), "t%d", i);
		enum quota_verdict verdict = charge(bench, token, &limits, 1, 1);
		assert_true(verdict == QUOTA_GRANTED || verdict == QUOTA_BURST_EXCEEDED);
		granted += verdict == QUOTA_GRANTED;
	}
	assert_true(granted >= 2 && granted <= 4);
}

static void without_limits_everything_is_granted_and_counted(void **state)
{
	struct bench *bench = *state;
	struct quota_limits none = { 0 };
	for (int i = 0; i < 20; i++) {
		char token[8];
		snprintf(token, sizeof(token), "t%d", i);
		assert_int_equal(charge(bench, token, &none, 100, 1U << 30), QUOTA_GRANTED);
	}
	assert_int_equal(used(bench), 20);
	assert_int_equal(bench->state.bytes, 20ULL << 30);
}

static void a_reset_forgets_counts_and_tokens(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge(bench, "before", &five, 1, 10), QUOTA_GRANTED);
	bench->answers = 0;
	assert_int_equal(quota_reset(bench->quota, SPAN("alice"), &five, on_verdict, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->state.messages, 0);
	assert_int_equal(charge(bench, "after", &five, 1, 10), QUOTA_GRANTED);
	refund(bench, "before");
	assert_int_equal(used(bench), 1);
}

static void a_fresh_count_refuses_early_and_a_refund_makes_it_unknown(void **state)
{
	struct bench *bench = *state;
	struct quota_limits one = { .messages_per_day = 1 };
	struct quota_state seen;
	assert_false(quota_is_exhausted(bench->quota, SPAN("alice"), &one, &seen));
	assert_int_equal(charge(bench, "a", &one, 1, 1), QUOTA_GRANTED);
	assert_true(quota_is_exhausted(bench->quota, SPAN("alice"), &one, &seen));
	assert_int_equal(seen.used, 1);
	assert_false(quota_is_exhausted(bench->quota, SPAN("bob"), &one, &seen));
	refund(bench, "a");
	assert_false(quota_is_exhausted(bench->quota, SPAN("alice"), &one, &seen));
}

static void a_frozen_redis_is_unknown_and_its_late_charge_is_given_back(void **state)
{
	struct bench *bench = *state;
	kill(bench->server.pid, SIGSTOP);
	assert_int_equal(charge(bench, "slow", &five, 1, 10), QUOTA_UNKNOWN);
	quota_refund(bench->quota, SPAN("alice"), SPAN("slow"));
	kill(bench->server.pid, SIGCONT);
	run_until(bench->loop, no_refunds, bench);
	assert_int_equal(used(bench), 0);
	assert_int_equal(charge(bench, "slow", &five, 1, 10), QUOTA_UNKNOWN);
}

static bool is_down(void *context)
{
	return !is_up(context);
}

static void with_redis_away_nothing_is_asked_and_nothing_is_owed(void **state)
{
	struct bench *bench = *state;
	test_redis_stop(&bench->server);
	run_until(bench->loop, is_down, bench);
	assert_int_equal(charge(bench, "a", &five, 1, 10), QUOTA_NOT_CHARGED);
	assert_int_equal(quota_refunds_pending(bench->quota), 0);
	test_redis_start(&bench->server);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(charge(bench, "a", &five, 1, 10), QUOTA_GRANTED);
	assert_int_equal(used(bench), 1);
}

static void an_error_of_redis_is_told(void **state)
{
	struct bench *bench = *state;
	const struct span wrong[] = { SPAN("SET"), SPAN("test:quota:{alice}"), SPAN("a text") };
	assert_int_equal(redis_call(bench->redis, wrong, 3, 1000, ignore_answer, NULL), STATUS_OK);
	assert_int_equal(charge(bench, "a", &five, 1, 10), QUOTA_NOT_CHARGED);
	assert_non_null(strstr(bench->trouble, "WRONGTYPE"));
}

static void a_name_too_long_is_an_error_and_not_somebody_elses_count(void **state)
{
	struct bench *bench = *state;
	char name[600];
	memset(name, 'a', sizeof(name));
	struct span user = { name, sizeof(name) };
	assert_int_equal(quota_charge(bench->quota, user, SPAN("t"), &five, 1, 1, on_verdict, bench), STATUS_TOO_LARGE);
}

static void an_unknown_time_zone_is_refused(void **state)
{
	struct bench *bench = *state;
	struct quota *quota = NULL;
	static const char *const zones[] = { "", "Mars/Olympus", "../etc/passwd", "/etc/localtime" };
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		assert_int_equal(quota_create(bench->loop, bench->redis, "p:", zones[i], &quota), STATUS_INVALID);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(the_sixth_of_five_is_refused_and_tells_when_the_day_ends),
		WITH_BENCH(a_token_is_charged_once_however_often_it_comes),
		WITH_BENCH(a_token_is_refunded_once_however_often_it_is_asked),
		WITH_BENCH(a_charge_that_comes_after_its_refund_is_refused),
		WITH_BENCH(a_settled_token_is_forgotten_and_its_refund_changes_nothing),
		WITH_BENCH(recipients_and_bytes_have_limits_of_their_own),
		WITH_BENCH(a_burst_is_told_from_a_day),
		WITH_BENCH(without_limits_everything_is_granted_and_counted),
		WITH_BENCH(a_reset_forgets_counts_and_tokens),
		WITH_BENCH(a_fresh_count_refuses_early_and_a_refund_makes_it_unknown),
		WITH_BENCH(a_frozen_redis_is_unknown_and_its_late_charge_is_given_back),
		WITH_BENCH(with_redis_away_nothing_is_asked_and_nothing_is_owed),
		WITH_BENCH(an_error_of_redis_is_told),
		WITH_BENCH(a_name_too_long_is_an_error_and_not_somebody_elses_count),
		WITH_BENCH(an_unknown_time_zone_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
