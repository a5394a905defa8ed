/* Quota against a real redis-server: what a charge, a refund and a tombstone do, in every order. */
#include "quota/quota_control.h"
#include "quota/quota_private.h"
#include "tests/unit/with_noon.h"
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
	struct quota_report report;
	char trouble[200];
};

static const struct quota_limits five = { .messages_per_day = 5 };
static const struct quota_name alice = { .name = { "alice", 5 } };

static void on_verdict(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct bench *bench = context;
	bench->answers++;
	bench->verdict = verdict;
	bench->state = *state;
	snprintf(bench->trouble, sizeof(bench->trouble), "%.*s", SPAN_ARGS(state->trouble));
}

static void on_report(void *context, const struct quota_report *report)
{
	struct bench *bench = context;
	assert_non_null(report);
	bench->answers++;
	bench->report = *report;
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

static enum quota_verdict charge_alice(struct bench *bench, const char *token, const struct quota_limits *limits,
				       uint64_t recipients, uint64_t bytes)
{
	bench->answers = 0;
	const struct quota_order order = { .user = SPAN("alice"),
					   .user_id = SPAN("corp:1"),
					   .token = span_of(token),
					   .recipients = recipients,
					   .bytes = bytes };
	assert_int_equal(quota_charge(bench->quota, &order, limits, on_verdict, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->answers, 1);
	return bench->verdict;
}

static void refund_alice(struct bench *bench, const char *token)
{
	quota_refund(bench->quota, SPAN("alice"), &five, span_of(token));
	run_until(bench->loop, no_refunds, bench);
}

static uint64_t used_by_alice(struct bench *bench)
{
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, &alice, &five, true, on_report, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	return bench->report.messages;
}

static void the_sixth_of_five_is_refused_and_tells_when_the_day_ends(void **state)
{
	struct bench *bench = *state;
	char token[8], text[160];
	for (int i = 0; i < 5; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		assert_int_equal(charge_alice(bench, token, &five, 1, 10), QUOTA_GRANTED);
		assert_int_equal(bench->state.messages, i + 1);
	}
	assert_int_equal(charge_alice(bench, "t5", &five, 1, 10), QUOTA_DAY_EXCEEDED);
	assert_int_equal(bench->state.used, 5);
	assert_int_equal(bench->state.limit, 5);
	struct tm end;
	localtime_r(&(time_t){ (time_t)bench->state.resets_at }, &end);
	assert_int_equal(end.tm_hour * 3600 + end.tm_min * 60 + end.tm_sec, 0);
	quota_format(bench->verdict, &bench->state, text, sizeof(text));
	assert_non_null(strstr(text, "Daily sending quota exceeded: 5 of 5 messages, resets at 20"));
	assert_int_equal(used_by_alice(bench), 5);
}

static void a_token_is_charged_once_however_often_it_comes(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_alice(bench, "same", &five, 1, 10), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "same", &five, 1, 10), QUOTA_GRANTED);
	assert_int_equal(used_by_alice(bench), 1);
}

/* Charged again, it is answered in full. */
static void the_short_answer_of_a_grant_says_all_that_the_full_one_says(void **state)
{
	struct bench *bench = *state;
	const struct quota_limits limits = { .messages_per_day = 5, .recipients_per_day = 6, .bytes_per_day = 700 };
	assert_int_equal(charge_alice(bench, "first", &limits, 1, 10), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "same", &limits, 2, 30), QUOTA_GRANTED);
	struct quota_state brief = bench->state;
	assert_int_equal(brief.used, 2);
	assert_int_equal(brief.limit, 5);
	assert_int_equal(brief.recipients, 3);
	assert_int_equal(brief.bytes, 40);
	assert_true(brief.resets_at > (uint64_t)time(NULL));
	assert_int_equal(charge_alice(bench, "same", &limits, 2, 30), QUOTA_GRANTED);
	const struct quota_state *full = &bench->state;
	assert_int_equal(brief.used, full->used);
	assert_int_equal(brief.limit, full->limit);
	assert_string_equal(brief.unit, full->unit);
	assert_int_equal(brief.messages, full->messages);
	assert_int_equal(brief.recipients, full->recipients);
	assert_int_equal(brief.bytes, full->bytes);
	assert_int_equal(brief.resets_at, full->resets_at);
	assert_int_equal(brief.day_ends_at, full->day_ends_at);
	assert_int_equal(brief.limits.messages_per_day, full->limits.messages_per_day);
	assert_int_equal(brief.limits.recipients_per_day, full->limits.recipients_per_day);
	assert_int_equal(brief.limits.bytes_per_day, full->limits.bytes_per_day);
}

static void a_token_is_refunded_once_however_often_it_is_asked(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_alice(bench, "one", &five, 2, 10), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "two", &five, 2, 10), QUOTA_GRANTED);
	refund_alice(bench, "one");
	refund_alice(bench, "one");
	assert_int_equal(used_by_alice(bench), 1);
	assert_int_equal(bench->report.recipients, 2);
	assert_int_equal(bench->report.bytes, 10);
}

static void a_charge_that_comes_after_its_refund_is_refused(void **state)
{
	struct bench *bench = *state;
	refund_alice(bench, "late");
	assert_int_equal(charge_alice(bench, "late", &five, 1, 10), QUOTA_UNKNOWN);
	assert_int_equal(used_by_alice(bench), 0);
}

/* Not each by itself, but some of them together. */
static void settled_tokens_are_forgotten_and_their_refunds_change_nothing(void **state)
{
	struct bench *bench = *state;
	const struct quota_limits plenty = { .messages_per_day = 50 };
	char tokens[QUOTA_SETTLED][8];
	for (unsigned i = 0; i < QUOTA_SETTLED; i++) {
		snprintf(tokens[i], sizeof(tokens[i]), "sent%u", i);
		assert_int_equal(charge_alice(bench, tokens[i], &plenty, 1, 10), QUOTA_GRANTED);
	}
	for (unsigned i = 0; i < QUOTA_SETTLED; i++)
		quota_settle(bench->quota, SPAN("alice"), &plenty, span_of(tokens[i]));
	assert_int_equal(charge_alice(bench, "next", &plenty, 1, 10), QUOTA_GRANTED);
	for (unsigned i = 0; i < QUOTA_SETTLED; i++)
		refund_alice(bench, tokens[i]);
	assert_int_equal(used_by_alice(bench), QUOTA_SETTLED + 1);
}

static void recipients_and_bytes_have_limits_of_their_own(void **state)
{
	struct bench *bench = *state;
	struct quota_limits limits = { .recipients_per_day = 10, .bytes_per_day = 1000 };
	assert_int_equal(charge_alice(bench, "a", &limits, 8, 100), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "b", &limits, 3, 100), QUOTA_DAY_EXCEEDED);
	assert_string_equal(bench->state.unit, "recipients");
	assert_int_equal(charge_alice(bench, "c", &limits, 2, 901), QUOTA_DAY_EXCEEDED);
	assert_string_equal(bench->state.unit, "bytes");
	assert_int_equal(charge_alice(bench, "d", &limits, 2, 900), QUOTA_GRANTED);
	assert_int_equal(used_by_alice(bench), 2);
}

/* A count that wraps refuses nobody; where an integer of redis-server's has 32 bits, that would be at 2 GiB. */
static void bytes_beyond_what_an_integer_holds_are_counted(void **state)
{
	struct bench *bench = *state;
	const struct quota_limits none = { 0 }, some = { .bytes_per_day = 1000 };
	const char *const tokens[] = { "a", "b", "c" };
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		assert_int_equal(charge_alice(bench, tokens[i], &none, 1, 1ULL << 62), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "d", &some, 1, 10), QUOTA_DAY_EXCEEDED);
	assert_string_equal(bench->state.unit, "bytes");
}

static void a_burst_is_told_from_a_day(void **state)
{
	struct bench *bench = *state;
	struct quota_limits limits = { .messages_per_day = 100, .messages_per_minute = 2 };
	char token[8], text[160];
	for (int i = 0; i < 5; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		assert_int_equal(charge_alice(bench, token, &limits, 1, 1),
				 i < 2 ? QUOTA_GRANTED : QUOTA_BURST_EXCEEDED);
	}
	quota_format(bench->verdict, &bench->state, text, sizeof(text));
	assert_non_null(strstr(text, "Too many messages at once: 2 of 2 messages within a minute, try again at 20"));
}

static void without_limits_everything_is_granted_and_counted(void **state)
{
	struct bench *bench = *state;
	struct quota_limits none = { 0 };
	for (int i = 0; i < 20; i++) {
		char token[8];
		snprintf(token, sizeof(token), "t%d", i);
		assert_int_equal(charge_alice(bench, token, &none, 100, 1U << 30), QUOTA_GRANTED);
	}
	assert_int_equal(used_by_alice(bench), 20);
	assert_int_equal(bench->report.bytes, 20ULL << 30);
}

static void a_reset_forgets_counts_and_tokens(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_alice(bench, "before", &five, 1, 10), QUOTA_GRANTED);
	bench->answers = 0;
	assert_int_equal(quota_reset(bench->quota, &alice, &five, true, on_report, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->report.messages, 1);
	assert_int_equal(used_by_alice(bench), 0);
	assert_int_equal(charge_alice(bench, "after", &five, 1, 10), QUOTA_GRANTED);
	refund_alice(bench, "before");
	assert_int_equal(used_by_alice(bench), 1);
}

static void a_fresh_count_refuses_early_and_a_refund_makes_it_unknown(void **state)
{
	struct bench *bench = *state;
	struct quota_limits one = { .messages_per_day = 1 };
	struct quota_state seen;
	assert_false(quota_is_exhausted(bench->quota, SPAN("alice"), &one, &seen));
	assert_int_equal(charge_alice(bench, "a", &one, 1, 1), QUOTA_GRANTED);
	assert_true(quota_is_exhausted(bench->quota, SPAN("alice"), &one, &seen));
	assert_int_equal(seen.used, 1);
	assert_false(quota_is_exhausted(bench->quota, SPAN("bob"), &one, &seen));
	refund_alice(bench, "a");
	assert_false(quota_is_exhausted(bench->quota, SPAN("alice"), &one, &seen));
}

static void a_frozen_redis_is_unknown_and_its_late_charge_is_given_back(void **state)
{
	struct bench *bench = *state;
	kill(bench->server.pid, SIGSTOP);
	assert_int_equal(charge_alice(bench, "slow", &five, 1, 10), QUOTA_UNKNOWN);
	quota_refund(bench->quota, SPAN("alice"), &five, SPAN("slow"));
	kill(bench->server.pid, SIGCONT);
	run_until(bench->loop, no_refunds, bench);
	assert_int_equal(used_by_alice(bench), 0);
	assert_int_equal(charge_alice(bench, "slow", &five, 1, 10), QUOTA_UNKNOWN);
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
	assert_int_equal(charge_alice(bench, "a", &five, 1, 10), QUOTA_NOT_CHARGED);
	assert_int_equal(quota_refunds_pending(bench->quota), 0);
	test_redis_start(&bench->server);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(charge_alice(bench, "a", &five, 1, 10), QUOTA_GRANTED);
	assert_int_equal(used_by_alice(bench), 1);
}

static void an_error_of_redis_is_told(void **state)
{
	struct bench *bench = *state;
	const struct span wrong[] = { SPAN("SET"), SPAN("test:quota:{alice}"), SPAN("a text") };
	assert_int_equal(redis_call(bench->redis, wrong, 3, PATIENCE_MS, ignore_answer, NULL), STATUS_OK);
	assert_int_equal(charge_alice(bench, "a", &five, 1, 10), QUOTA_NOT_CHARGED);
	assert_non_null(strstr(bench->trouble, "WRONGTYPE"));
}

static void lock_alice(struct bench *bench, const char *user_id)
{
	char command[200];
	snprintf(command, sizeof(command), "HSET 'test:lock:{alice}' %s 1", user_id);
	test_redis_tell(&bench->server, command);
}

static void a_lock_on_the_user_refuses_what_is_not_charged_yet(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_alice(bench, "before", &five, 1, 10), QUOTA_GRANTED);
	lock_alice(bench, "corp:2"); /* of somebody who had that name before */
	assert_int_equal(charge_alice(bench, "other", &five, 1, 10), QUOTA_GRANTED);
	lock_alice(bench, "corp:1");
	assert_int_equal(charge_alice(bench, "after", &five, 1, 10), QUOTA_LOCKED);
	assert_int_equal(charge_alice(bench, "before", &five, 1, 10), QUOTA_GRANTED); /* once is charged */
	assert_int_equal(used_by_alice(bench), 2);
}

static void a_lock_on_a_name_is_on_whoever_has_it(void **state)
{
	struct bench *bench = *state;
	lock_alice(bench, "name:alice");
	assert_int_equal(charge_alice(bench, "a", &five, 1, 10), QUOTA_LOCKED);
}

static void a_name_too_long_is_an_error_and_not_somebody_elses_count(void **state)
{
	struct bench *bench = *state;
	char name[600];
	memset(name, 'a', sizeof(name));
	const struct quota_order order = { .user = { name, sizeof(name) }, .token = SPAN("t"), .recipients = 1 };
	assert_int_equal(quota_charge(bench->quota, &order, &five, on_verdict, bench), STATUS_TOO_LARGE);
}

static const struct quota_limits printer = { .messages_per_day = 5,
					     .app_password = "PRINTER2",
					     .app_password_messages_per_day = 2 };

static void an_app_password_s_limit_binds_besides_the_user_s(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_alice(bench, "one", &printer, 1, 1), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "two", &printer, 1, 1), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "two", &printer, 1, 1), QUOTA_GRANTED); /* the same token */
	assert_int_equal(charge_alice(bench, "three", &printer, 1, 1), QUOTA_DAY_EXCEEDED);
	assert_string_equal(bench->state.unit, "messages by this app password");
	assert_int_equal(bench->state.used, 2);
	assert_int_equal(bench->state.limit, 2);
	assert_int_equal(charge_alice(bench, "four", &five, 1, 1), QUOTA_GRANTED); /* by another way in */
	assert_int_equal(bench->state.messages, 3);
}

static void a_refund_gives_back_to_the_app_password_too(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(charge_alice(bench, "one", &printer, 1, 1), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "two", &printer, 1, 1), QUOTA_GRANTED);
	refund_alice(bench, "two");
	assert_int_equal(charge_alice(bench, "three", &printer, 1, 1), QUOTA_GRANTED);
	assert_int_equal(charge_alice(bench, "four", &printer, 1, 1), QUOTA_DAY_EXCEEDED);
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
		WITH_BENCH(the_short_answer_of_a_grant_says_all_that_the_full_one_says),
		WITH_BENCH(a_token_is_refunded_once_however_often_it_is_asked),
		WITH_BENCH(a_charge_that_comes_after_its_refund_is_refused),
		WITH_BENCH(settled_tokens_are_forgotten_and_their_refunds_change_nothing),
		WITH_BENCH(recipients_and_bytes_have_limits_of_their_own),
		WITH_BENCH(bytes_beyond_what_an_integer_holds_are_counted),
		WITH_BENCH(a_burst_is_told_from_a_day),
		WITH_BENCH(without_limits_everything_is_granted_and_counted),
		WITH_BENCH(a_reset_forgets_counts_and_tokens),
		WITH_BENCH(a_fresh_count_refuses_early_and_a_refund_makes_it_unknown),
		WITH_BENCH(a_frozen_redis_is_unknown_and_its_late_charge_is_given_back),
		WITH_BENCH(with_redis_away_nothing_is_asked_and_nothing_is_owed),
		WITH_BENCH(an_error_of_redis_is_told),
		WITH_BENCH(a_lock_on_the_user_refuses_what_is_not_charged_yet),
		WITH_BENCH(a_lock_on_a_name_is_on_whoever_has_it),
		WITH_BENCH(a_name_too_long_is_an_error_and_not_somebody_elses_count),
		WITH_BENCH(an_app_password_s_limit_binds_besides_the_user_s),
		WITH_BENCH(a_refund_gives_back_to_the_app_password_too),
		WITH_BENCH(an_unknown_time_zone_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
