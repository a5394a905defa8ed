/* What is lent for when Redis is away: against a real redis-server, which is stopped, emptied and started again. */
#include "quota/leases.h"
#include "quota/quota_private.h"
#include "redis/script.h"
#include "tests/unit/with_noon.h"
#include "tests/unit/with_redis.h"

#define USER "alice@example.com"
#define KEY "test:quota:{" USER "}"
#define NODES 2

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct quota *quota; /* makes the day that leases are of */
	struct leases *nodes[NODES];
	unsigned answers;
	struct quota_state state;
};

static const struct quota_order order = {
	.user = { USER, sizeof(USER) - 1 }, .user_id = { "id", 2 }, .recipients = 1, .bytes = 100
};
static struct quota_limits limits;

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool is_down(void *context)
{
	return !is_up(context);
}

static int set_up(void **state)
{
	static const char *const names[NODES] = { "process-one", "process-two" };
	struct bench *bench = calloc(1, sizeof(*bench));
	limits = (struct quota_limits){ .messages_per_day = 100 };
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	test_redis_start(&bench->server);
	const struct redis_options options = { .server = bench->server.server,
					       .user = "",
					       .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_int_equal(quota_create(bench->loop, bench->redis, "test:", test_noon(0), &bench->quota), STATUS_OK);
	for (int i = 0; i < NODES; i++)
		assert_int_equal(leases_create(bench->loop, bench->redis, "test:", names[i], &bench->nodes[i]),
				 STATUS_OK);
	run_until(bench->loop, is_up, bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	quota_free(&bench->quota);
	redis_free(&bench->redis);
	for (int i = 0; i < NODES; i++)
		leases_free(&bench->nodes[i]);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static void on_charged(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct bench *bench = context;
	assert_int_equal(verdict, QUOTA_GRANTED);
	bench->answers++;
	bench->state = *state;
}

static bool has_answer(void *context)
{
	return ((struct bench *)context)->answers > 0;
}

static void on_pong(void *context, enum status status, const struct redis_value *value)
{
	(void)status, (void)value;
	((struct bench *)context)->answers++;
}

/* Until what nodes asked Redis for is answered: answers keep order, and a script that Redis lacks is sent twice. */
static void await_answers(struct bench *bench)
{
	const struct span ping[] = { SPAN("PING") };
	for (int i = 0; i < 2; i++) {
		bench->answers = 0;
		assert_int_equal(redis_call(bench->redis, ping, 1, 30000, on_pong, bench), STATUS_OK);
		run_until(bench->loop, has_answer, bench);
	}
}

/* One message through this node, which then borrows or gives back. */
static void charge(struct bench *bench, int node)
{
	static unsigned number;
	char token[32];
	struct quota_order one = order;
	snprintf(token, sizeof(token), "t%u", number++);
	one.token = span_of(token);
	bench->answers = 0;
	assert_int_equal(quota_charge(bench->quota, &one, &limits, on_charged, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	bench->state.day_ends_at = bench->state.resets_at;
	leases_note(bench->nodes[node], SPAN(USER), &limits, &bench->state);
	await_answers(bench);
}

static unsigned spend_all(struct bench *bench, int node)
{
	struct quota_state state;
	unsigned count = 0;
	while (leases_spend(bench->nodes[node], &order, &state))
		count++;
	return count;
}

static long used(const struct bench *bench)
{
	char answer[64] = "";
	test_redis_ask(&bench->server, "HGET " KEY " m", answer, sizeof(answer));
	return strtol(answer, NULL, 10);
}

static void lose_connection(struct bench *bench)
{
	test_redis_tell(&bench->server, "CLIENT KILL TYPE normal");
	run_until(bench->loop, is_down, bench);
}

static void what_is_lent_counts_as_used_and_is_at_most_a_tenth_of_what_is_left(void **state)
{
	struct bench *bench = *state;
	charge(bench, 0);
	assert_int_equal(used(bench), 1 + 9);
	charge(bench, 1);
	assert_int_equal(used(bench), 2 + 9 + 8);
	assert_int_equal(spend_all(bench, 0), 9);
	assert_int_equal(spend_all(bench, 1), 8);
	assert_int_equal(spend_all(bench, 0), 0);
}

static void redis_is_told_what_was_spent_and_nothing_is_counted_twice(void **state)
{
	struct bench *bench = *state;
	struct quota_state spent;
	charge(bench, 0);
	lose_connection(bench);
	for (int i = 0; i < 4; i++)
		assert_true(leases_spend(bench->nodes[0], &order, &spent));
	run_until(bench->loop, is_up, bench);
	leases_reconcile(bench->nodes[0]);
	await_answers(bench);
	leases_reconcile(bench->nodes[0]);
	await_answers(bench);
	leases_drain(bench->nodes[0]);
	await_answers(bench);
	assert_int_equal(used(bench), 1 + 4);
}

static void what_failed_is_covered_again(void **state)
{
	struct bench *bench = *state;
	struct quota_state spent;
	charge(bench, 0);
	lose_connection(bench);
	assert_true(leases_spend(bench->nodes[0], &order, &spent));
	leases_take_back(bench->nodes[0], &order, spent.lease);
	leases_take_back(bench->nodes[0], &order, spent.lease); /* of nothing */
	assert_int_equal(spend_all(bench, 0), 9);
}

/* All of the day is used, whoever sends it and however often Redis goes away meanwhile. */
static void no_limit_is_passed_and_none_is_left_unused(void **state)
{
	struct bench *bench = *state;
	unsigned sent = 0;
	for (int round = 0; used(bench) < 100 && round < 60; round++) {
		charge(bench, round % NODES);
		sent++;
		if (round % 7 == 3) {
			lose_connection(bench);
			sent += spend_all(bench, round % NODES);
			run_until(bench->loop, is_up, bench);
			leases_reconcile(bench->nodes[0]);
			leases_reconcile(bench->nodes[1]);
			await_answers(bench);
		}
		assert_true(sent <= 100);
		assert_true(used(bench) <= 100);
	}
	leases_drain(bench->nodes[0]);
	leases_drain(bench->nodes[1]);
	await_answers(bench);
	assert_int_equal(used(bench), sent);
}

static void after_a_loss_nothing_is_lent(void **state)
{
	struct bench *bench = *state;
	charge(bench, 0);
	leases_void(bench->nodes[0]);
	assert_int_equal(spend_all(bench, 0), 0);
}

static void limits_that_no_lease_covers_are_not_lent(void **state)
{
	struct bench *bench = *state;
	limits.app_password_messages_per_day = 5;
	charge(bench, 0);
	assert_int_equal(used(bench), 1);
	assert_int_equal(spend_all(bench, 0), 0);
}

static void recipients_and_bytes_are_bounded_too(void **state)
{
	struct bench *bench = *state;
	struct quota_order large = order;
	struct quota_state spent;
	limits.recipients_per_day = 30;
	limits.bytes_per_day = 1000;
	charge(bench, 0);
	large.recipients = 3; /* two of the 29 that are left were lent */
	assert_false(leases_spend(bench->nodes[0], &large, &spent));
	large.recipients = 1;
	large.bytes = 91;
	assert_false(leases_spend(bench->nodes[0], &large, &spent));
	large.bytes = 90;
	assert_true(leases_spend(bench->nodes[0], &large, &spent));
}

/* The call that nobody answers may have run: what it would have taken away is not spent. */
static void what_an_unanswered_call_gives_back_is_not_spent(void **state)
{
	struct bench *bench = *state;
	charge(bench, 0);
	kill(bench->server.pid, SIGSTOP);
	leases_drain(bench->nodes[0]);
	run_until(bench->loop, is_down, bench);
	assert_int_equal(spend_all(bench, 0), 0);
	kill(bench->server.pid, SIGCONT);
}

/* It was covered by a lease that is over: of the day before, or of a memory that Redis lost. */
static void what_failed_of_a_former_lease_covers_nothing(void **state)
{
	struct bench *bench = *state;
	struct quota_state former, spent;
	charge(bench, 0);
	lose_connection(bench);
	assert_true(leases_spend(bench->nodes[0], &order, &former));
	run_until(bench->loop, is_up, bench);
	leases_void(bench->nodes[0]);
	charge(bench, 0);
	lose_connection(bench);
	assert_true(leases_spend(bench->nodes[0], &order, &spent));
	unsigned left = spend_all(bench, 0);
	leases_take_back(bench->nodes[0], &order, former.lease);
	assert_int_equal(spend_all(bench, 0), 0);
	leases_take_back(bench->nodes[0], &order, spent.lease);
	assert_int_equal(spend_all(bench, 0), 1);
	assert_true(left > 0);
}

static void leases_go_with_their_day(void **state)
{
	struct bench *bench = *state;
	char line[192];
	charge(bench, 0);
	test_redis_tell(&bench->server, "HEXISTS " KEY " l:process-one | grep -q 1");
	snprintf(line, sizeof(line), "HSET " KEY " day %llu end %llu", (unsigned long long)time(NULL) - 90000,
		 (unsigned long long)time(NULL) - 10);
	test_redis_tell(&bench->server, line);
	charge(bench, 1);
	test_redis_tell(&bench->server, "HEXISTS " KEY " l:process-one | grep -q 0");
}

static void on_reset(void *context, const struct quota_report *report)
{
	(void)report;
	((struct bench *)context)->answers++;
}

/* What nodes hold they may spend at any time after it. */
static void a_reset_leaves_what_is_lent_counted(void **state)
{
	struct bench *bench = *state;
	const struct quota_name name = { .name = SPAN(USER) };
	charge(bench, 0);
	charge(bench, 1);
	assert_int_equal(used(bench), 2 + 9 + 8);
	bench->answers = 0;
	assert_int_equal(quota_reset(bench->quota, &name, &limits, true, on_reset, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(used(bench), 9 + 8);
	for (int i = 0; i < NODES; i++)
		leases_drain(bench->nodes[i]);
	await_answers(bench);
	assert_int_equal(used(bench), 0);
}

static void on_late_call(void *context, enum status status, const struct redis_value *value)
{
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(redis_value_type(value), REDIS_ARRAY);
	((struct bench *)context)->answers++;
}

/* The connection that it was sent on was given up: Redis may run it after one that was sent later. */
static void a_call_that_runs_late_changes_nothing(void **state)
{
	static const char source[] =
#include "quota/day.lua.h"

#include "quota/lease.lua.h"
		;
	struct bench *bench = *state;
	struct redis_script script;
	uint64_t days[QUOTA_DAY_NUMBERS];
	char texts[QUOTA_DAY_NUMBERS + 1][SCRIPT_NUMBER_SIZE];
	struct span arguments[20];
	size_t count = 0;
	charge(bench, 0); /* its first call */
	lose_connection(bench);
	assert_int_equal(spend_all(bench, 0), 9);
	run_until(bench->loop, is_up, bench);
	leases_reconcile(bench->nodes[0]);
	charge(bench, 0);
	long before = used(bench);
	assert_int_equal(redis_script_init(&script, source), STATUS_OK);
	quota_day_numbers((uint64_t)time(NULL), days);
	arguments[count++] = SPAN(KEY);
	for (size_t i = 0; i < QUOTA_DAY_NUMBERS; i++)
		arguments[count++] = script_write_number(days[i], texts[i]);
	arguments[count++] = SPAN("process-one");
	for (int i = 0; i < 9; i++) /* it wanted less, had spent nothing, and limits as they are */
		arguments[count++] = i == 0 ? SPAN("2") : i == 6 ? SPAN("100") : SPAN("0");
	arguments[count++] = script_write_number(bench->state.day_ends_at, texts[QUOTA_DAY_NUMBERS]);
	arguments[count++] = SPAN("1");
	bench->answers = 0;
	assert_int_equal(redis_run_script(bench->redis, &script, arguments, count, 1, 30000, on_late_call, bench),
			 STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(used(bench), before);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_is_lent_counts_as_used_and_is_at_most_a_tenth_of_what_is_left),
		WITH_BENCH(redis_is_told_what_was_spent_and_nothing_is_counted_twice),
		WITH_BENCH(what_failed_is_covered_again),
		WITH_BENCH(no_limit_is_passed_and_none_is_left_unused),
		WITH_BENCH(after_a_loss_nothing_is_lent),
		WITH_BENCH(limits_that_no_lease_covers_are_not_lent),
		WITH_BENCH(recipients_and_bytes_are_bounded_too),
		WITH_BENCH(what_an_unanswered_call_gives_back_is_not_spent),
		WITH_BENCH(what_failed_of_a_former_lease_covers_nothing),
		WITH_BENCH(leases_go_with_their_day),
		WITH_BENCH(a_reset_leaves_what_is_lent_counted),
		WITH_BENCH(a_call_that_runs_late_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
