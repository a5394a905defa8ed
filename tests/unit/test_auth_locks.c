/* Locks against a real redis-server: what one node locks another one holds, and goes on holding without Redis. */
#include "auth/lock_call.h"
#include "tests/unit/with_redis.h"

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct locks *locks;
	struct lock_call call;
	bool has_answer, is_there;
	enum status status;
	char user[100], reason[100];
	uint64_t since_s;
};

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool has_answer(void *context)
{
	return ((struct bench *)context)->has_answer;
}

static bool holds_anna(void *context)
{
	return locks_hold(((struct bench *)context)->locks, SPAN("corp:1"), SPAN("anna@x"));
}

/* anna, and the first and the last of 3,000 others. */
static bool holds_all(void *context)
{
	struct locks *locks = ((struct bench *)context)->locks;
	return holds_anna(context) && locks_hold(locks, SPAN("corp:x1"), SPAN("anna@x")) &&
	       locks_hold(locks, SPAN("corp:x3000"), SPAN("anna@x"));
}

static bool holds_nobody(void *context)
{
	return !holds_anna(context);
}

static void begin_locks(struct bench *bench)
{
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_int_equal(locks_create(bench->loop, bench->redis, "test:", &bench->locks), STATUS_OK);
	run_until(bench->loop, is_up, bench);
}

static void end_locks(struct bench *bench)
{
	redis_free(&bench->redis);
	locks_free(&bench->locks);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	begin_locks(bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	end_locks(bench);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static void on_answer(void *context, enum status status, const struct lock *lock)
{
	struct bench *bench = context;
	bench->has_answer = true;
	bench->status = status;
	bench->is_there = lock != NULL;
	if (lock == NULL)
		return;
	bench->since_s = lock->since_s;
	snprintf(bench->user, sizeof(bench->user), "%.*s", SPAN_ARGS(lock->user));
	snprintf(bench->reason, sizeof(bench->reason), "%.*s", SPAN_ARGS(lock->reason));
}

static const struct lock of_anna = {
	.user_id = { "corp:1", 6 }, .user = { "anna@x", 6 }, .reason = { "too many mails", 14 }, .since_s = 1795392000
};

static enum status await_answer(struct bench *bench, enum status begun)
{
	if (begun != STATUS_OK)
		return begun;
	run_until(bench->loop, has_answer, bench);
	return bench->status;
}

static enum status set_lock(struct bench *bench, const struct lock *lock)
{
	bench->has_answer = false;
	return await_answer(bench, lock_call_set(&bench->call, bench->locks, lock, on_answer, bench));
}

static enum status read_lock(struct bench *bench, struct span user_id)
{
	bench->has_answer = false;
	return await_answer(bench, lock_call_read(&bench->call, bench->locks, user_id, on_answer, bench));
}

static void a_lock_is_kept_without_expiry_beside_the_quota_too(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(set_lock(bench, &of_anna), STATUS_OK);
	assert_true(holds_anna(bench));
	test_redis_expect(&bench->server, "HEXISTS 'test:lock:{anna@x}' corp:1", "1");
	test_redis_expect(&bench->server, "TTL 'test:lock:{anna@x}'", "-1");
	test_redis_expect(&bench->server, "TTL test:auth:1:locks", "-1");
	assert_int_equal(read_lock(bench, SPAN("corp:1")), STATUS_OK);
	assert_string_equal(bench->user, "anna@x");
	assert_string_equal(bench->reason, "too many mails");
	assert_int_equal(bench->since_s, 1795392000);
}

static void an_unlocked_user_is_locked_nowhere(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(set_lock(bench, &of_anna), STATUS_OK);
	bench->has_answer = false;
	assert_int_equal(await_answer(bench, lock_call_unset(&bench->call, bench->locks, &of_anna, on_answer, bench)),
			 STATUS_OK);
	assert_false(holds_anna(bench));
	test_redis_expect(&bench->server, "EXISTS 'test:lock:{anna@x}' test:auth:1:locks", "0");
	assert_int_equal(read_lock(bench, SPAN("corp:1")), STATUS_OK);
	assert_false(bench->is_there);
}

static void another_node_reads_all_of_them(void **state)
{
	struct bench *bench = *state;
	char number[100];
	assert_int_equal(set_lock(bench, &of_anna), STATUS_OK);
	test_redis_ask(&bench->server,
		       "EVAL \"for i = 1, 3000 do redis.call('HSET', KEYS[1], 'corp:x' .. i, '') end\" 1 "
		       "test:auth:1:locks",
		       number, sizeof(number));
	end_locks(bench);
	begin_locks(bench);
	assert_false(holds_anna(bench));
	locks_reload(bench->locks);
	run_until(bench->loop, holds_all, bench);
}

static void a_lock_that_went_unnoticed_is_dropped_by_the_next_reading(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(set_lock(bench, &of_anna), STATUS_OK);
	test_redis_expect(&bench->server, "DEL test:auth:1:locks", "1");
	assert_true(holds_anna(bench));
	locks_reload(bench->locks);
	run_until(bench->loop, holds_nobody, bench);
}

static void a_lock_noted_during_a_reading_stays(void **state)
{
	struct bench *bench = *state;
	locks_reload(bench->locks);
	assert_int_equal(set_lock(bench, &of_anna), STATUS_OK);
	run_for(bench->loop, 100);
	assert_true(holds_anna(bench));
}

static void what_is_known_holds_while_redis_is_away(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(set_lock(bench, &of_anna), STATUS_OK);
	test_redis_stop(&bench->server);
	locks_reload(bench->locks);
	run_for(bench->loop, 100);
	assert_true(holds_anna(bench));
	assert_int_not_equal(set_lock(bench, &(struct lock){ .user_id = SPAN("corp:2") }), STATUS_OK);
	assert_false(locks_hold(bench->locks, SPAN("corp:2"), SPAN("anna@x")));
	assert_int_not_equal(read_lock(bench, SPAN("corp:1")), STATUS_OK);
}

/* Redis is trusted no more than a peer. */
static void a_lock_that_cannot_be_read_locks_all_the_same(void **state)
{
	static const char *const values[] = { "''", "nonsense", "'2\\t1\\tanna@x\\t'", "'1\\tx\\tanna@x\\t'" };
	struct bench *bench = *state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char command[200];
		snprintf(command, sizeof(command),
			 "EVAL \"return redis.call('HSET', KEYS[1], 'corp:1', '%zu' .. ARGV[1])\" 1 "
			 "test:auth:1:locks %s",
			 i, values[i]);
		char text[100];
		test_redis_ask(&bench->server, command, text, sizeof(text));
		assert_int_equal(read_lock(bench, SPAN("corp:1")), STATUS_OK);
		assert_true(bench->is_there);
		assert_string_equal(bench->user, "");
		assert_int_equal(bench->since_s, 0);
	}
	locks_reload(bench->locks);
	run_until(bench->loop, holds_anna, bench);
	test_redis_expect(&bench->server, "SET test:auth:1:locks x", "OK");
	assert_int_not_equal(read_lock(bench, SPAN("corp:1")), STATUS_OK);
	locks_reload(bench->locks);
	run_for(bench->loop, 100);
	assert_true(holds_anna(bench));
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_lock_is_kept_without_expiry_beside_the_quota_too),
		WITH_BENCH(an_unlocked_user_is_locked_nowhere),
		WITH_BENCH(another_node_reads_all_of_them),
		WITH_BENCH(a_lock_that_went_unnoticed_is_dropped_by_the_next_reading),
		WITH_BENCH(a_lock_noted_during_a_reading_stays),
		WITH_BENCH(what_is_known_holds_while_redis_is_away),
		WITH_BENCH(a_lock_that_cannot_be_read_locks_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
