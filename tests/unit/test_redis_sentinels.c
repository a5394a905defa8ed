/* The client finds the primary by its Sentinels: real redis-servers and real Sentinels, which elect, differ and die. */
#include "tests/unit/with_sentinels.h"

struct bench {
	struct trio trio;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	unsigned downs;
	char reason[160];
	bool has_answer;
	char answer[160];
};

static void on_change(void *context, bool up, const char *reason)
{
	struct bench *bench = context;
	bench->downs += !up;
	snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct bench *bench = context;
	bench->has_answer = true;
	snprintf(bench->answer, sizeof(bench->answer), "%.*s",
		 SPAN_ARGS(status == STATUS_OK ? redis_value_text(value) : span_of(status_text(status))));
}

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool is_down(void *context)
{
	return !is_up(context);
}

static bool was_told_of_few_sentinels(void *context)
{
	return strstr(((struct bench *)context)->reason, "of 3 Sentinels agree, more than half are needed") != NULL;
}

static bool was_told_of_no_primary(void *context)
{
	return strstr(((struct bench *)context)->reason, "no primary \"test\"") != NULL;
}

static bool has_answer(void *context)
{
	return ((struct bench *)context)->has_answer;
}

static void make_client(struct bench *bench)
{
	const struct redis_options options = {
		.server = "",
		.user = "",
		.password = &bench->password,
		.sentinels = &bench->trio.list,
		.master = "test",
		.on_change = on_change,
		.context = bench,
	};
	assert_int_equal(redis_open(bench->loop, &options, &bench->redis), STATUS_OK);
}

static void say(struct bench *bench, const char *value)
{
	const struct span arguments[] = { SPAN("SET"), SPAN("k"), span_of(value) };
	bench->has_answer = false;
	assert_int_equal(redis_call(bench->redis, arguments, 3, PATIENCE_MS, on_answer, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	redis_free(&bench->redis);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	trio_remove(&bench->trio);
	free(bench);
	return 0;
}

/* ---- tests */

static void the_new_primary_is_used_after_a_failover(void **state)
{
	struct bench *bench = *state;
	struct trio *trio = &bench->trio;
	trio_start(trio, false);
	make_client(bench);
	run_until(bench->loop, is_up, bench);
	say(bench, "before");
	assert_string_equal(bench->answer, "OK");
	trio_await_readiness(trio);
	trio_end_process(&trio->servers[0]);
	run_until(bench->loop, is_down, bench);
	run_until(bench->loop, is_up, bench);
	say(bench, "after");
	assert_string_equal(bench->answer, "OK");
	assert_int_equal(trio_ask(trio->servers[1].port, "after", "GET k"), 0);
}

/* A former primary that was cut off from the Sentinels answers still, and believes that it is the primary. */
static void a_primary_that_answers_is_left_once_the_sentinels_name_another(void **state)
{
	struct bench *bench = *state;
	struct trio *trio = &bench->trio;
	trio_start(trio, true);
	make_client(bench);
	run_until(bench->loop, is_up, bench);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(trio_ask(trio->sentinels[i].port, "OK", "SENTINEL REMOVE test"), 0);
		assert_int_equal(trio_ask(trio->sentinels[i].port, "OK", "SENTINEL MONITOR test 127.0.0.1 %u 2",
					  trio->servers[1].port),
				 0);
	}
	run_until(bench->loop, is_down, bench);
	assert_non_null(strstr(bench->reason, "name another primary"));
	run_until(bench->loop, is_up, bench);
	say(bench, "second");
	assert_int_equal(trio_ask(trio->servers[1].port, "second", "GET k"), 0);
}

static void one_sentinel_of_three_leads_nobody_elsewhere(void **state)
{
	struct bench *bench = *state;
	struct trio *trio = &bench->trio;
	trio_start(trio, true);
	assert_int_equal(trio_ask(trio->sentinels[0].port, "OK", "SENTINEL REMOVE test"), 0);
	assert_int_equal(
		trio_ask(trio->sentinels[0].port, "OK", "SENTINEL MONITOR test 127.0.0.1 %u 2", trio->servers[1].port),
		0);
	make_client(bench);
	run_until(bench->loop, is_up, bench);
	say(bench, "first");
	assert_int_equal(trio_ask(trio->servers[0].port, "first", "GET k"), 0);
}

static void without_most_sentinels_there_is_no_primary_and_the_reason_says_so(void **state)
{
	struct bench *bench = *state;
	struct trio *trio = &bench->trio;
	trio_start(trio, true);
	trio_end_process(&trio->sentinels[0]);
	trio_end_process(&trio->sentinels[1]);
	make_client(bench);
	run_until(bench->loop, was_told_of_few_sentinels, bench);
	assert_true(is_down(bench));
	say(bench, "x");
	assert_string_equal(bench->answer, status_text(STATUS_UNAVAILABLE));
	trio_start_sentinel(trio, &trio->sentinels[0], trio->servers[0].port);
	run_until(bench->loop, is_up, bench);
}

/* The connection that there is stays of use: without Sentinels there is no failover. */
static void a_connection_outlives_its_sentinels(void **state)
{
	struct bench *bench = *state;
	struct trio *trio = &bench->trio;
	trio_start(trio, true);
	make_client(bench);
	run_until(bench->loop, is_up, bench);
	for (int i = 0; i < TRIO_SENTINELS; i++)
		trio_end_process(&trio->sentinels[i]);
	run_for(bench->loop, 4000);
	assert_true(is_up(bench));
	say(bench, "x");
	assert_string_equal(bench->answer, "OK");
}

static void sentinels_that_know_no_such_primary_have_no_say(void **state)
{
	struct bench *bench = *state;
	struct trio *trio = &bench->trio;
	trio_start(trio, true);
	for (int i = 0; i < 2; i++)
		assert_int_equal(trio_ask(trio->sentinels[i].port, "OK", "SENTINEL REMOVE test"), 0);
	make_client(bench);
	run_until(bench->loop, was_told_of_no_primary, bench);
	assert_true(is_down(bench));
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(the_new_primary_is_used_after_a_failover),
		WITH_BENCH(a_primary_that_answers_is_left_once_the_sentinels_name_another),
		WITH_BENCH(one_sentinel_of_three_leads_nobody_elsewhere),
		WITH_BENCH(without_most_sentinels_there_is_no_primary_and_the_reason_says_so),
		WITH_BENCH(a_connection_outlives_its_sentinels),
		WITH_BENCH(sentinels_that_know_no_such_primary_have_no_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
