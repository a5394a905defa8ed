/* Locks and limits set by hand where replicas must have them: a real primary, and a replica that comes and hangs. */
#include <signal.h>

#include "quota/by_hand.h"
#include "tests/unit/with_redis.h"
#include "tests/unit/with_sentinels.h"

struct bench {
	struct test_redis primary, replica;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct by_hand by_hand;
	bool has_answer;
	enum by_hand_outcome outcome;
	uint64_t changed;
};

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static void start_server(struct test_redis *server)
{
	snprintf(server->address, sizeof(server->address), "127.0.0.1");
	snprintf(server->port, sizeof(server->port), "%u", test_free_port());
	test_redis_start(server);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	start_server(&bench->primary);
	start_server(&bench->replica);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->primary.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(by_hand_init(&bench->by_hand, bench->redis, "test:"), STATUS_OK);
	bench->by_hand.replicas = 1;
	*state = bench;
	return 0;
}

/* What replication left in its folder goes with it. */
static void remove_server(struct test_redis *server)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/dump.rdb", server->folder);
	unlink(path);
	test_redis_remove(server);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	redis_free(&bench->redis);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	remove_server(&bench->primary);
	remove_server(&bench->replica);
	free(bench);
	return 0;
}

/* It hears what is written: one that has the whole already, but has not said so, is sent nothing for up to a second. */
static bool has_replica(void *context)
{
	const struct bench *bench = context;
	char answer[16];
	test_redis_expect(&bench->primary, "SET probe 1", "OK");
	test_redis_ask(&bench->primary, "WAIT 1 30000", answer, sizeof(answer));
	return strcmp(answer, "1") == 0;
}

static void attach_replica(struct bench *bench)
{
	char follow[64];
	snprintf(follow, sizeof(follow), "REPLICAOF 127.0.0.1 %s", bench->primary.port);
	test_redis_expect(&bench->primary, "CONFIG SET repl-diskless-sync-delay 0", "OK");
	/* Past the disk, which may be busy. */
	test_redis_expect(&bench->replica, "CONFIG SET repl-diskless-load swapdb", "OK");
	test_redis_expect(&bench->replica, "CONFIG SET masterauth " TEST_REDIS_PASSWORD, "OK");
	test_redis_expect(&bench->replica, follow, "OK");
	run_until(bench->loop, has_replica, bench);
}

static bool has_answer(void *context)
{
	return ((struct bench *)context)->has_answer;
}

static void on_changed(void *context, enum by_hand_outcome outcome, uint64_t changed)
{
	struct bench *bench = context;
	bench->has_answer = true;
	bench->outcome = outcome;
	bench->changed = changed;
}

static enum by_hand_outcome lock_anna(struct bench *bench)
{
	bench->has_answer = false;
	assert_int_equal(by_hand_change_lock(&bench->by_hand, BY_HAND_SET, SPAN("corp:1"), SPAN("anna@x"),
					     SPAN("1\t7\tanna@x\tphishing"), on_changed, bench),
			 STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	return bench->outcome;
}

static enum by_hand_outcome limit_anna(struct bench *bench)
{
	const struct by_hand_limit limit = { SPAN("limit messages_per_day"), SPAN("1 40 0") };
	bench->has_answer = false;
	assert_int_equal(
		by_hand_change_limits(&bench->by_hand, BY_HAND_SET, SPAN("anna@x"), &limit, 1, on_changed, bench),
		STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	return bench->outcome;
}

static void what_is_done_is_there_after_a_failover(void **state)
{
	struct bench *bench = *state;
	attach_replica(bench);
	assert_int_equal(lock_anna(bench), BY_HAND_DONE);
	assert_int_equal(limit_anna(bench), BY_HAND_DONE);
	kill(bench->primary.pid, SIGKILL);
	test_redis_expect(&bench->replica, "REPLICAOF NO ONE", "OK");
	test_redis_expect(&bench->replica, "HGET 'test:lock:{anna@x}' corp:1", "1");
	test_redis_expect(&bench->replica, "HGET 'test:lock:{anna@x}' 'limit messages_per_day'", "1 40 0");
	test_redis_expect(&bench->replica, "HEXISTS test:by-hand 'lock corp:1'", "1");
}

static void without_a_replica_it_is_said_that_it_may_be_forgotten(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(lock_anna(bench), BY_HAND_FEW);
	assert_int_equal(bench->changed, 2);
	test_redis_expect(&bench->primary, "HGET 'test:lock:{anna@x}' corp:1", "1");
	bench->by_hand.replicas = 0;
	assert_int_equal(lock_anna(bench), BY_HAND_DONE);
}

static void a_replica_that_hangs_has_nothing(void **state)
{
	struct bench *bench = *state;
	attach_replica(bench);
	kill(bench->replica.pid, SIGSTOP);
	assert_int_equal(limit_anna(bench), BY_HAND_FEW);
	kill(bench->replica.pid, SIGCONT);
	assert_int_equal(limit_anna(bench), BY_HAND_DONE);
}

static void a_primary_that_refuses_has_changed_nothing(void **state)
{
	struct bench *bench = *state;
	test_redis_expect(&bench->primary, "CONFIG SET maxmemory 1", "OK");
	assert_int_equal(lock_anna(bench), BY_HAND_NOT_DONE);
	assert_int_equal(bench->changed, 0);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_is_done_is_there_after_a_failover),
		WITH_BENCH(without_a_replica_it_is_said_that_it_may_be_forgotten),
		WITH_BENCH(a_replica_that_hangs_has_nothing),
		WITH_BENCH(a_primary_that_refuses_has_changed_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
