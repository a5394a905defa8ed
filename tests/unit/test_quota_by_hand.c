/* Locks and limits set by hand: two nodes' copies of them, and a real redis-server that loses what it was told. */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/log.h"
#include "quota/by_hand_copy.h"
#include "quota/by_hand_file.h"
#include "tests/unit/with_redis.h"

#define LOCKS "test:auth:1:locks"
#define ANNA "test:lock:{anna@x}"

/* A node: its two files outlive its copy. */
struct node {
	struct bench *bench;
	int fds[2];
	struct by_hand_copy *copy;
	bool is_done, is_complete;
	char why[200];
	unsigned locked, unlocked; /* as it told */
};

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct by_hand by_hand;
	struct node nodes[2];
	bool has_answer;
	uint64_t changed;
};

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static void on_lock(void *context, struct span user_id, bool is_locked)
{
	struct node *node = context;
	assert_true(span_equal(user_id, SPAN("corp:1")));
	*(is_locked ? &node->locked : &node->unlocked) += 1;
}

static const struct by_hand_copy_handler handler = { on_lock };

static void begin_node(struct node *node)
{
	const int fds[] = { dup(node->fds[0]), dup(node->fds[1]) };
	assert_int_equal(
		by_hand_copy_create(node->bench->loop, node->bench->redis, "test:", fds, &handler, node, &node->copy),
		STATUS_OK);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(by_hand_init(&bench->by_hand, bench->redis, "test:"), STATUS_OK);
	for (size_t i = 0; i < 2; i++) {
		struct node *node = &bench->nodes[i];
		node->bench = bench;
		for (size_t j = 0; j < 2; j++)
			assert_true((node->fds[j] = memfd_create("by-hand", MFD_CLOEXEC)) >= 0);
		begin_node(node);
	}
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	redis_free(&bench->redis);
	for (size_t i = 0; i < 2; i++) {
		by_hand_copy_free(&bench->nodes[i].copy);
		close(bench->nodes[i].fds[0]);
		close(bench->nodes[i].fds[1]);
	}
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

/* ---- what is done by hand */

static bool has_answer(void *context)
{
	return ((struct bench *)context)->has_answer;
}

static void on_changed(void *context, enum by_hand_outcome outcome, uint64_t changed)
{
	struct bench *bench = context;
	assert_int_equal(outcome, BY_HAND_DONE);
	bench->changed = changed;
	bench->has_answer = true;
}

static void change_lock(struct bench *bench, enum by_hand_deed deed)
{
	bench->has_answer = false;
	assert_int_equal(by_hand_change_lock(&bench->by_hand, deed, SPAN("corp:1"), SPAN("anna@x"),
					     SPAN("1\t7\tanna@x\tphishing"), on_changed, bench),
			 STATUS_OK);
	run_until(bench->loop, has_answer, bench);
}

static void change_limit(struct bench *bench, enum by_hand_deed deed, struct span name, struct span value)
{
	const struct by_hand_limit limit = { SPAN("limit messages_per_day"), value };
	bench->has_answer = false;
	assert_int_equal(by_hand_change_limits(&bench->by_hand, deed, name, &limit, 1, on_changed, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
}

/* ---- rounds */

static void on_done(void *context, const char *why)
{
	struct node *node = context;
	node->is_done = true;
	node->is_complete = why == NULL;
	snprintf(node->why, sizeof(node->why), "%s", why ? why : "");
}

static bool is_done(void *context)
{
	return ((struct node *)context)->is_done;
}

static bool run_round(struct node *node)
{
	node->is_done = false;
	by_hand_copy_bring(node->copy, on_done, node);
	run_until(node->bench->loop, is_done, node);
	return node->is_complete;
}

static void lose_all(const struct bench *bench)
{
	test_redis_expect(&bench->server, "FLUSHALL", "OK");
}

static void what_redis_lost_comes_back_from_the_copy(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	change_lock(bench, BY_HAND_SET);
	change_limit(bench, BY_HAND_SET, SPAN("anna@x"), SPAN("1 40 0"));
	change_limit(bench, BY_HAND_SET, SPAN("\tstaff of all"), SPAN("1 9 0"));
	assert_true(run_round(node));
	lose_all(bench);
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "HGET '" ANNA "' corp:1", "1");
	test_redis_expect(&bench->server, "HGET '" ANNA "' 'limit messages_per_day'", "1 40 0");
	test_redis_expect(&bench->server, "HGET 'test:shared-lock:{staff of all}' 'limit messages_per_day'", "1 9 0");
	test_redis_expect(&bench->server, "HGET " LOCKS " corp:1", "1\t7\tanna@x\tphishing");
	assert_int_equal(node->locked, 1); /* sessions that began meanwhile end */
	assert_true(run_round(node));
	assert_int_equal(node->locked, 1);
}

static void it_comes_back_after_the_process_was_made_anew(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	change_lock(bench, BY_HAND_SET);
	assert_true(run_round(node));
	by_hand_copy_free(&node->copy);
	lose_all(bench);
	begin_node(node);
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "HGET '" ANNA "' corp:1", "1");
}

static bool holds_a_lock(void *context)
{
	const struct node *node = context;
	struct by_hand_file file;
	const int fds[] = { dup(node->fds[0]), dup(node->fds[1]) };
	assert_int_equal(by_hand_file_open(&file, fds), STATUS_OK);
	bool holds = by_hand_file_find(&file, SPAN("lock corp:1")) != NULL;
	by_hand_file_close(&file);
	return holds;
}

static void each_node_takes_a_copy_by_itself(void **state)
{
	struct bench *bench = *state;
	change_lock(bench, BY_HAND_SET);
	run_until(bench->loop, holds_a_lock, &bench->nodes[0]);
	run_until(bench->loop, holds_a_lock, &bench->nodes[1]);
}

/* The node that was away when it was lifted comes first. */
static void what_was_taken_back_meanwhile_does_not_come_back(void **state)
{
	struct bench *bench = *state;
	struct node *here = &bench->nodes[0], *away = &bench->nodes[1];
	change_lock(bench, BY_HAND_SET);
	change_limit(bench, BY_HAND_SET, SPAN("anna@x"), SPAN("1 40 0"));
	assert_true(run_round(here) && run_round(away));
	by_hand_copy_free(&away->copy);
	change_lock(bench, BY_HAND_UNSET);
	change_limit(bench, BY_HAND_UNSET, SPAN("anna@x"), SPAN(""));
	assert_true(run_round(here));
	lose_all(bench);
	begin_node(away);
	assert_true(run_round(away));
	test_redis_expect(&bench->server, "EXISTS '" ANNA "' " LOCKS, "2");
	assert_true(run_round(here)); /* it knows better */
	test_redis_expect(&bench->server, "EXISTS '" ANNA "' " LOCKS, "0");
	assert_int_equal(here->unlocked, 1);
	assert_true(run_round(away));
	lose_all(bench);
	assert_true(run_round(away));
	test_redis_expect(&bench->server, "EXISTS '" ANNA "' " LOCKS, "0");
}

static void what_is_set_anew_is_newer_than_what_was_taken_back(void **state)
{
	struct bench *bench = *state;
	change_lock(bench, BY_HAND_SET);
	change_lock(bench, BY_HAND_UNSET);
	assert_int_equal(bench->changed, 2);
	change_lock(bench, BY_HAND_ADD);
	change_lock(bench, BY_HAND_ADD); /* as it is */
	assert_int_equal(bench->changed, 0);
	assert_true(run_round(&bench->nodes[0]));
	lose_all(bench);
	assert_true(run_round(&bench->nodes[0]));
	test_redis_expect(&bench->server, "HGET '" ANNA "' corp:1", "1");
}

/* Redis's clock may step back: what comes later is newer all the same. */
static void a_version_is_later_than_all_before_it(void **state)
{
	struct bench *bench = *state;
	char version[64];
	test_redis_expect(&bench->server, "HSET test:by-hand version 9000000000000000", "1");
	change_lock(bench, BY_HAND_SET);
	test_redis_ask(&bench->server, "HGET test:by-hand version", version, sizeof(version));
	assert_string_equal(version, "9000000000000001");
}

static void what_ended_400_days_ago_is_forgotten(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	test_redis_expect(&bench->server,
			  "HSET test:by-hand version 9 'lock corp:2' '9 - 1' 'limit bytes_per_day anna@x' '9 + 1 5 7'",
			  "3");
	change_lock(bench, BY_HAND_UNSET);
	change_limit(bench, BY_HAND_SET, SPAN("anna@x"), SPAN("1 40 0"));
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "HLEN test:by-hand", "3"); /* version, lock, limit */
	test_redis_expect(&bench->server, "HEXISTS test:by-hand 'lock corp:1'", "1");
}

/* It kept no rows; what was taken back by now stays so, whatever backup that is. */
static void what_an_older_program_has_set_is_kept_too(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	by_hand_copy_free(&bench->nodes[1].copy);
	test_redis_expect(&bench->server, "HSET test:by-hand 'limit messages_per_day otto@x' '3 + 1 6 0'", "1");
	test_redis_expect(&bench->server, "HSET " LOCKS " corp:1 '1\t7\tanna@x\tphishing'", "1");
	test_redis_expect(&bench->server,
			  "HSET '" ANNA "' corp:1 1 'limit messages_per_day' '1 40 0' 'limit bytes_per_day' '1 9 7'",
			  "3");
	test_redis_expect(&bench->server, "HSET 'test:shared-lock:{staff of all}' 'limit messages_per_day' '1 9 0'",
			  "1");
	test_redis_expect(&bench->server, "HSET 'test:lock:{otto@x}' 'limit messages_per_day' '1 5 0'", "1");
	by_hand_copy_free(&node->copy);
	begin_node(node);
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "HLEN test:by-hand",
			  "5"); /* with the version; the limit that is over has none */
	test_redis_expect(&bench->server, "HGET test:by-hand 'limit messages_per_day otto@x'", "3 + 1 6 0");
	lose_all(bench);
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "HGET '" ANNA "' corp:1", "1");
	test_redis_expect(&bench->server, "HGET " LOCKS " corp:1", "1\t7\tanna@x\tphishing");
	test_redis_expect(&bench->server, "HGET '" ANNA "' 'limit messages_per_day'", "1 40 0");
	test_redis_expect(&bench->server, "HGET 'test:shared-lock:{staff of all}' 'limit messages_per_day'", "1 9 0");
	change_lock(bench, BY_HAND_UNSET);
	assert_true(run_round(node));
	lose_all(bench);
	test_redis_expect(&bench->server, "HSET " LOCKS " corp:1 '1\t7\tanna@x\tphishing'", "1");
	by_hand_copy_free(&node->copy);
	begin_node(node);
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "EXISTS " LOCKS, "0");
}

static void what_an_older_program_has_set_is_no_reason_to_wait(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	test_redis_expect(&bench->server, "HSET test:by-hand version x", "1");
	test_redis_expect(&bench->server, "HSET " LOCKS " corp:1 '1\t7\tanna@x\tphishing'", "1");
	by_hand_copy_free(&node->copy);
	begin_node(node);
	assert_true(run_round(node));
	lose_all(bench);
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "HGET '" ANNA "' corp:1", "1");
}

static void what_redis_says_amiss_is_skipped(void **state)
{
	struct bench *bench = *state;
	test_redis_expect(
		&bench->server,
		"HSET test:by-hand version x 'lock corp:1' 1 'limit x' '1 + 1 2 0' 'lock ' '1 + x' other '5 + 1' "
		"'lock corp:2' '99999999999999999999 + 1' 'lock corp:3' '1 ? 1'",
		"7");
	assert_true(run_round(&bench->nodes[0]));
	lose_all(bench);
	assert_true(run_round(&bench->nodes[0]));
	test_redis_expect(&bench->server, "EXISTS test:by-hand " LOCKS, "0");
}

static void what_redis_would_not_take_is_told_with_its_reason(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	by_hand_copy_free(&bench->nodes[1].copy);
	change_lock(bench, BY_HAND_SET);
	assert_true(run_round(node));
	lose_all(bench);
	test_redis_expect(&bench->server, "SET " LOCKS " x", "OK");
	assert_false(run_round(node));
	assert_non_null(strstr(node->why, "WRONGTYPE"));
	assert_false(run_round(node)); /* it is not in force, though it was tried */
	test_redis_expect(&bench->server, "DEL " LOCKS, "1");
	assert_true(run_round(node));
	test_redis_expect(&bench->server, "HGET '" ANNA "' corp:1", "1");
	test_redis_stop(&bench->server);
	run_for(bench->loop, 50);
	assert_false(run_round(node));
	assert_true(node->why[0] != '\0');
}

static unsigned count_refusals(int log)
{
	char text[4000] = "";
	unsigned count = 0;
	assert_true(pread(log, text, sizeof(text) - 1, 0) >= 0);
	for (const char *at = text; (at = strstr(at, "from being copied")) != NULL; at++)
		count++;
	return count;
}

/* One user's lock that is in the way of nothing but itself. */
static void what_redis_would_not_take_keeps_no_others_away(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	int log = memfd_create("log", MFD_CLOEXEC);
	by_hand_copy_free(&bench->nodes[1].copy);
	change_lock(bench, BY_HAND_SET);
	assert_true(run_round(node));
	change_limit(bench, BY_HAND_SET, SPAN("otto@x"), SPAN("1 40 0"));
	assert_true(run_round(node));
	lose_all(bench);
	test_redis_expect(&bench->server, "SET " LOCKS " x", "OK");
	log_open(log, LOG_LEVEL_ERROR, "test");
	assert_false(run_round(node));
	assert_false(run_round(node));
	unsigned told = count_refusals(log);
	log_open(STDERR_FILENO, LOG_LEVEL_INFO, "test");
	close(log);
	assert_int_equal(told, 1);
	test_redis_expect(&bench->server, "HGET 'test:lock:{otto@x}' 'limit messages_per_day'", "1 40 0");
}

static void a_process_that_drains_writes_no_file(void **state)
{
	struct bench *bench = *state;
	struct node *node = &bench->nodes[0];
	by_hand_copy_drain(node->copy);
	change_lock(bench, BY_HAND_SET);
	run_until(bench->loop, holds_a_lock, &bench->nodes[1]);
	assert_false(holds_a_lock(node));
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_redis_lost_comes_back_from_the_copy),
		WITH_BENCH(it_comes_back_after_the_process_was_made_anew),
		WITH_BENCH(each_node_takes_a_copy_by_itself),
		WITH_BENCH(what_was_taken_back_meanwhile_does_not_come_back),
		WITH_BENCH(what_is_set_anew_is_newer_than_what_was_taken_back),
		WITH_BENCH(a_version_is_later_than_all_before_it),
		WITH_BENCH(what_ended_400_days_ago_is_forgotten),
		WITH_BENCH(what_an_older_program_has_set_is_kept_too),
		WITH_BENCH(what_an_older_program_has_set_is_no_reason_to_wait),
		WITH_BENCH(what_redis_says_amiss_is_skipped),
		WITH_BENCH(what_redis_would_not_take_is_told_with_its_reason),
		WITH_BENCH(what_redis_would_not_take_keeps_no_others_away),
		WITH_BENCH(a_process_that_drains_writes_no_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
