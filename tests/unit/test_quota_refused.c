/* Refused recipients against a real redis-server: exact over nodes, and within any 60 minutes. */
#include "quota/refused.h"
#include "tests/unit/with_redis.h"

#define NODES 3

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis[NODES];
	struct refused_recipients *nodes[NODES];
};

/* What one call was answered. */
struct answer {
	unsigned calls;
	bool has_count;
	struct refused_count count;
};

static bool are_up(void *context)
{
	struct bench *bench = context;
	for (size_t i = 0; i < NODES; i++)
		if (!redis_is_up(bench->redis[i]))
			return false;
	return true;
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_let_clock_shift(&bench->server);
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	for (size_t i = 0; i < NODES; i++) {
		assert_int_equal(redis_create(bench->loop, &options, &bench->redis[i]), STATUS_OK);
		assert_int_equal(refused_create(bench->redis[i], "test:", &bench->nodes[i]), STATUS_OK);
	}
	run_until(bench->loop, are_up, bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	for (size_t i = 0; i < NODES; i++) {
		redis_free(&bench->redis[i]);
		refused_free(&bench->nodes[i]);
	}
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static void on_count(void *context, const struct refused_count *count)
{
	struct answer *answer = context;
	answer->calls++;
	answer->has_count = count != NULL;
	if (count)
		answer->count = *count;
}

static bool is_answered(void *context)
{
	return ((struct answer *)context)->calls == 1;
}

static struct refused_count count_refused(struct bench *bench, size_t node, const char *user, uint64_t more)
{
	struct answer answer = { 0 };
	assert_int_equal(refused_count(bench->nodes[node], span_of(user), 10, more, on_count, &answer), STATUS_OK);
	run_until(bench->loop, is_answered, &answer);
	assert_true(answer.has_count);
	return answer.count;
}

static void the_limit_is_never_passed(void **state)
{
	struct bench *bench = *state;
	struct refused_count c = count_refused(bench, 0, "ann", 0);
	assert_int_equal(c.refused + c.free_at + c.free_in_s, 0);
	c = count_refused(bench, 0, "ann", 4);
	assert_int_equal(c.counted, 4);
	assert_int_equal(c.refused, 4);
	assert_false(c.is_reached);
	c = count_refused(bench, 1, "ann", 9);
	assert_int_equal(c.counted, 6);
	assert_int_equal(c.refused, 10);
	assert_int_equal(c.limit, 10);
	assert_true(c.is_reached);
	assert_in_range(c.free_in_s, 3500, 3600);
	c = count_refused(bench, 2, "ann", 1);
	assert_int_equal(c.counted, 0);
	assert_false(c.is_reached); /* it was told already */
	assert_int_equal(count_refused(bench, 2, "ben", 1).refused, 1);
}

static bool are_answered(void *context)
{
	struct answer *answers = context;
	for (size_t i = 0; i < 30; i++)
		if (answers[i].calls == 0)
			return false;
	return true;
}

static void many_at_once_are_counted_exactly(void **state)
{
	struct bench *bench = *state;
	struct answer answers[30] = { 0 };
	uint64_t counted = 0;
	unsigned reached = 0;
	for (size_t i = 0; i < 30; i++)
		assert_int_equal(refused_count(bench->nodes[i % NODES], SPAN("ann"), 10, 1, on_count, &answers[i]),
				 STATUS_OK);
	run_until(bench->loop, are_answered, answers);
	for (size_t i = 0; i < 30; i++) {
		counted += answers[i].count.counted;
		reached += answers[i].count.is_reached;
	}
	assert_int_equal(counted, 10);
	assert_int_equal(reached, 1);
}

static void each_counts_for_an_hour(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(count_refused(bench, 0, "ann", 6).counted, 6);
	test_redis_shift_clock(&bench->server, 1800);
	assert_int_equal(count_refused(bench, 0, "ann", 6).counted, 4);
	test_redis_shift_clock(&bench->server, 3400);
	assert_int_equal(count_refused(bench, 0, "ann", 1).counted, 0);
	test_redis_shift_clock(&bench->server, 3700);
	struct refused_count c = count_refused(bench, 0, "ann", 9);
	assert_int_equal(c.counted, 6); /* those of the first minute have left, the four later ones have not */
	assert_int_equal(c.refused, 10);
	test_redis_shift_clock(&bench->server, 20000);
	assert_int_equal(count_refused(bench, 0, "ann", 0).refused, 0);
}

static void a_redis_that_is_away_counts_nothing(void **state)
{
	struct bench *bench = *state;
	struct answer answer = { 0 };
	kill(bench->server.pid, SIGSTOP);
	assert_int_equal(refused_count(bench->nodes[0], SPAN("ann"), 10, 1, on_count, &answer), STATUS_OK);
	run_until(bench->loop, is_answered, &answer);
	assert_false(answer.has_count);
	kill(bench->server.pid, SIGCONT);
}

static void a_name_that_is_too_long_is_no_call(void **state)
{
	struct bench *bench = *state;
	struct answer answer = { 0 };
	char name[2000];
	memset(name, 'a', sizeof(name));
	assert_int_not_equal(
		refused_count(bench->nodes[0], (struct span){ name, sizeof(name) }, 10, 1, on_count, &answer),
		STATUS_OK);
	assert_int_equal(answer.calls, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_limit_is_never_passed),
		CASE(many_at_once_are_counted_exactly),
		CASE(each_counts_for_an_hour),
		CASE(a_redis_that_is_away_counts_nothing),
		CASE(a_name_that_is_too_long_is_no_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
