/* Who was told of what, against a real redis-server: of all nodes the first, until it no longer counts. */
#include "quota/told.h"
#include "tests/unit/with_redis.h"

#define NODES 2

static struct {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis[NODES];
	struct told *nodes[NODES];
	unsigned answers, firsts;
} bench;

static bool are_up(void *context)
{
	(void)context;
	return redis_is_up(bench.redis[0]) && redis_is_up(bench.redis[1]);
}

static int set_up(void **state)
{
	(void)state;
	memset(&bench, 0, sizeof(bench));
	test_redis_let_clock_shift(&bench.server);
	test_redis_start(&bench.server);
	assert_int_equal(loop_create(&bench.loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench.password), STATUS_OK);
	struct redis_options options = { .server = bench.server.server, .user = "", .password = &bench.password };
	for (size_t i = 0; i < NODES; i++) {
		assert_int_equal(redis_create(bench.loop, &options, &bench.redis[i]), STATUS_OK);
		assert_int_equal(told_create(bench.redis[i], "test:", &bench.nodes[i]), STATUS_OK);
	}
	run_until(bench.loop, are_up, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		redis_free(&bench.redis[i]);
		told_free(&bench.nodes[i]);
	}
	secret_wipe(&bench.password);
	loop_free(bench.loop);
	test_redis_remove(&bench.server);
	return 0;
}

static void on_told(void *context, bool is_first)
{
	(void)context;
	bench.answers++;
	bench.firsts += is_first;
}

static bool has_answers(void *context)
{
	return bench.answers == *(unsigned *)context;
}

static void ask_node(size_t node, const char *user, const char *what, uint64_t until_s)
{
	assert_int_equal(told_ask(bench.nodes[node], span_of(user), span_of(what), until_s, on_told, NULL), STATUS_OK);
}

/* How many of those that were asked were the first. */
static unsigned count_firsts(unsigned asked)
{
	run_until(bench.loop, has_answers, &asked);
	unsigned firsts = bench.firsts;
	bench.answers = bench.firsts = 0;
	return firsts;
}

static void one_of_all_nodes_is_the_first(void **state)
{
	(void)state;
	uint64_t until_s = (uint64_t)time(NULL) + 3600;
	for (unsigned i = 0; i < 20; i++)
		ask_node(i % NODES, "anna", "messages:80", until_s);
	assert_int_equal(count_firsts(20), 1);
	ask_node(1, "anna", "messages:80", until_s + 60);
	assert_int_equal(count_firsts(1), 0);
}

static void another_user_or_thing_is_told_too(void **state)
{
	(void)state;
	uint64_t until_s = (uint64_t)time(NULL) + 3600;
	ask_node(0, "anna", "messages:80", until_s);
	ask_node(1, "ben", "messages:80", until_s);
	ask_node(0, "anna", "messages:100", until_s);
	assert_int_equal(count_firsts(3), 3);
}

static void after_its_time_it_is_told_again(void **state)
{
	(void)state;
	uint64_t until_s = (uint64_t)time(NULL) + 3600;
	ask_node(0, "anna", "messages:80", until_s);
	assert_int_equal(count_firsts(1), 1);
	test_redis_shift_clock(&bench.server, 3700);
	ask_node(1, "anna", "messages:80", until_s + 3600);
	ask_node(0, "anna", "messages:80", until_s + 3600);
	assert_int_equal(count_firsts(2), 1);
}

static void without_redis_everybody_is_the_first(void **state)
{
	(void)state;
	test_redis_stop(&bench.server);
	ask_node(0, "anna", "messages:80", 1);
	ask_node(0, "anna", "messages:80", 1);
	assert_int_equal(count_firsts(2), 2);
}

static void questions_still_open_end_with_their_owner(void **state)
{
	(void)state;
	ask_node(0, "anna", "messages:80", 1);
	redis_free(&bench.redis[0]);
	told_free(&bench.nodes[0]);
	assert_int_equal(bench.answers, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_of_all_nodes_is_the_first),
		CASE(another_user_or_thing_is_told_too),
		CASE(after_its_time_it_is_told_again),
		CASE(without_redis_everybody_is_the_first),
		CASE(questions_still_open_end_with_their_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
