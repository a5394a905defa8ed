/* The marker against a real redis-server: whatever it loses is told once, and nothing else is. */
#include <fcntl.h>

#include "quota/marker.h"
#include "tests/unit/with_redis.h"

struct bench {
	struct test_redis server;
	char file[96];
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct marker *marker;
	unsigned losses;
	char what[160];
};

static void on_loss(void *context, const char *what)
{
	struct bench *bench = context;
	bench->losses++;
	snprintf(bench->what, sizeof(bench->what), "%s", what);
}

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool has_lost(void *context)
{
	return ((struct bench *)context)->losses > 0;
}

static void start(struct bench *bench)
{
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	int fd = open(bench->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	bench->losses = 0;
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_int_equal(marker_create(bench->loop, bench->redis, "test:", fd, on_loss, bench, &bench->marker),
			 STATUS_OK);
	run_until(bench->loop, is_up, bench);
}

static void end(struct bench *bench)
{
	redis_free(&bench->redis);
	marker_free(&bench->marker);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	snprintf(bench->file, sizeof(bench->file), "%s/marker", bench->server.folder);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	start(bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	end(bench);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	unlink(bench->file);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static void tell(const struct bench *bench, const char *command)
{
	char line[256];
	snprintf(line, sizeof(line), "redis-cli -s %s/s -a " TEST_REDIS_PASSWORD " %s >/dev/null 2>&1",
		 bench->server.folder, command);
	assert_int_equal(system(line), 0);
}

static void check(struct bench *bench)
{
	marker_check(bench->marker);
	run_for(bench->loop, 100);
}

static void what_redis_keeps_is_no_loss(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < 5; i++)
		check(bench);
	end(bench);
	start(bench);
	for (int i = 0; i < 5; i++)
		check(bench);
	assert_int_equal(bench->losses, 0);
}

static void an_emptied_redis_is_told_once(void **state)
{
	struct bench *bench = *state;
	check(bench);
	tell(bench, "FLUSHALL");
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	assert_non_null(strstr(bench->what, "is gone"));
	check(bench);
	assert_int_equal(bench->losses, 1);
}

static void it_is_told_without_a_charge(void **state)
{
	struct bench *bench = *state;
	check(bench);
	tell(bench, "FLUSHALL");
	run_until(bench->loop, has_lost, bench);
}

static void a_marker_that_another_node_made_anew_is_a_loss_too(void **state)
{
	struct bench *bench = *state;
	check(bench);
	tell(bench, "FLUSHALL");
	tell(bench, "HSET test:marker id 0123456789abcdef0123456789abcdef");
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	assert_non_null(strstr(bench->what, "has changed"));
}

static void a_redis_that_lost_what_it_acknowledged_is_told(void **state)
{
	struct bench *bench = *state;
	check(bench);
	tell(bench, "COPY test:marker kept"); /* as a replica has it that was cut off now */
	check(bench);
	check(bench);
	assert_int_equal(bench->losses, 0);
	tell(bench, "COPY kept test:marker REPLACE");
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	assert_non_null(strstr(bench->what, "lacks what it had acknowledged"));
}

static void what_was_lost_between_two_processes_is_told(void **state)
{
	struct bench *bench = *state;
	check(bench);
	end(bench);
	tell(bench, "FLUSHALL");
	start(bench);
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	end(bench);
	start(bench);
	check(bench);
	assert_int_equal(bench->losses, 0); /* the new id is kept */
}

static void two_processes_are_no_loss_to_each_other(void **state)
{
	struct bench *bench = *state;
	struct marker *second = NULL;
	check(bench);
	assert_int_equal(marker_create(bench->loop, bench->redis, "test:", open(bench->file, O_RDWR | O_CLOEXEC),
				       on_loss, bench, &second),
			 STATUS_OK);
	for (int i = 0; i < 5; i++) {
		marker_check(second);
		check(bench);
	}
	assert_int_equal(bench->losses, 0);
	run_for(bench->loop, 100);
	redis_free(&bench->redis);
	marker_free(&second);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_redis_keeps_is_no_loss),
		WITH_BENCH(an_emptied_redis_is_told_once),
		WITH_BENCH(it_is_told_without_a_charge),
		WITH_BENCH(a_marker_that_another_node_made_anew_is_a_loss_too),
		WITH_BENCH(a_redis_that_lost_what_it_acknowledged_is_told),
		WITH_BENCH(what_was_lost_between_two_processes_is_told),
		WITH_BENCH(two_processes_are_no_loss_to_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
