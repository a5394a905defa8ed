/* The Redis client against a real redis-server. */
#include "base/buf.h"
#include "redis/redis.h"
#include "tests/unit/with_redis.h"

struct answers {
	unsigned count;
	enum status status;
	enum redis_type type;
	int64_t integer;
	char text[64];
};

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct answers answers;
	unsigned ups, downs;
	char reason[128];
};

static void on_change(void *context, bool up, const char *reason)
{
	struct bench *bench = context;
	if (up)
		bench->ups++;
	else
		bench->downs++;
	snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct bench *bench = context;
	bench->answers.count++;
	bench->answers.status = status;
	if (value == NULL)
		return;
	struct span text = redis_value_text(value);
	bench->answers.type = redis_value_type(value);
	bench->answers.integer = redis_value_integer(value);
	snprintf(bench->answers.text, sizeof(bench->answers.text), "%.*s", SPAN_ARGS(text));
}

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool is_down(void *context)
{
	return !is_up(context);
}

static bool was_told_down(void *context)
{
	return ((struct bench *)context)->downs > 0;
}

static bool is_told_once_more(void *context)
{
	return ((struct bench *)context)->downs > 1;
}

static bool has_answer(void *context)
{
	return ((struct bench *)context)->answers.count > 0;
}

static bool has_hundred(void *context)
{
	return ((struct bench *)context)->answers.count == 100;
}

static void start_client(struct bench *bench, const char *password)
{
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(span_of(password), &bench->password), STATUS_OK);
	struct redis_options options = {
		.server = bench->server.server,
		.user = "",
		.password = &bench->password,
		.on_change = on_change,
		.context = bench,
	};
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	start_client(bench, TEST_REDIS_PASSWORD);
	*state = bench;
	return 0;
}

static void end_client(struct bench *bench)
{
	redis_free(&bench->redis);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	end_client(bench);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static void ask_redis(struct bench *bench, const char *line, uint64_t limit_ms)
{
	struct span arguments[8], rest = span_of(line);
	size_t count = 0;
	while (span_cut(&rest, ' ', &arguments[count]))
		count++;
	bench->answers = (struct answers){ 0 };
	assert_int_equal(redis_call(bench->redis, arguments, count, limit_ms, on_answer, bench), STATUS_OK);
	assert_int_equal(bench->answers.count, 0);
}

static void it_logs_in_and_answers(void **state)
{
	struct bench *bench = *state;
	run_until(bench->loop, is_up, bench);
	assert_int_equal(bench->ups, 1);
	ask_redis(bench, "SET k value", PATIENCE_MS);
	run_until(bench->loop, has_answer, bench);
	assert_string_equal(bench->answers.text, "OK");
	ask_redis(bench, "GET k", PATIENCE_MS);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->answers.type, REDIS_TEXT);
	assert_string_equal(bench->answers.text, "value");
	ask_redis(bench, "GET nothing", PATIENCE_MS);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->answers.type, REDIS_NIL);
	ask_redis(bench, "INCR k", PATIENCE_MS);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->answers.type, REDIS_ERROR);
}

/* Sizes around those at which a command's count gets a digit more, or a command memory of its own. */
static void whatever_bytes_an_argument_has_it_is_one_argument(void **state)
{
	static const size_t sizes[] = { 0, 1, 9, 10, 99, 100, 255, 999, 1000, 1900, 1990, 2000, 2048, 10000, 100000 };
	static const char hostile[] = "a b\r\n*1\r\n$8\r\nFLUSHALL\r\n\0\377'\"\\$-1\r\n";
	static char text[100000];
	struct bench *bench = *state;
	run_until(bench->loop, is_up, bench);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = hostile[i % (sizeof(hostile) - 1)];
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct span key = { text, i + 1 }, value = { sizes[i] ? text : NULL, sizes[i] };
		const struct span set[] = { SPAN("SET"), key, value };
		const struct span compare[] = {
			SPAN("EVAL"), SPAN("return redis.call('GET', KEYS[1]) == ARGV[1] and #ARGV[1] or -1"),
			SPAN("1"),    key,
			value,
		};
		bench->answers = (struct answers){ 0 };
		assert_int_equal(redis_call(bench->redis, set, 3, PATIENCE_MS, on_answer, bench), STATUS_OK);
		run_until(bench->loop, has_answer, bench);
		assert_string_equal(bench->answers.text, "OK");
		bench->answers = (struct answers){ 0 };
		assert_int_equal(redis_call(bench->redis, compare, 5, PATIENCE_MS, on_answer, bench), STATUS_OK);
		run_until(bench->loop, has_answer, bench);
		assert_int_equal(bench->answers.integer, sizes[i]);
	}
	ask_redis(bench, "DBSIZE", PATIENCE_MS);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->answers.integer, sizeof(sizes) / sizeof(sizes[0]));
}

static void a_call_before_it_is_up_is_unavailable_and_told_later(void **state)
{
	struct bench *bench = *state;
	ask_redis(bench, "PING", PATIENCE_MS);
	run_until(bench->loop, has_answer, bench);
	assert_int_equal(bench->answers.status, STATUS_UNAVAILABLE);
	assert_int_equal(bench->answers.count, 1);
}

static void a_hundred_calls_of_one_turn_are_answered_in_order(void **state)
{
	struct bench *bench = *state;
	run_until(bench->loop, is_up, bench);
	for (int i = 0; i < 100; i++) {
		struct span incr[2] = { SPAN("INCR"), SPAN("n") };
		assert_int_equal(redis_call(bench->redis, incr, 2, PATIENCE_MS, on_answer, bench), STATUS_OK);
	}
	run_until(bench->loop, has_hundred, bench);
	assert_int_equal(bench->answers.integer, 100);
}

static void a_frozen_server_ends_every_pending_call_at_the_deadline(void **state)
{
	struct bench *bench = *state;
	run_until(bench->loop, is_up, bench);
	kill(bench->server.pid, SIGSTOP);
	ask_redis(bench, "PING", 150);
	struct span ping = SPAN("PING");
	assert_int_equal(redis_call(bench->redis, &ping, 1, 60000, on_answer, bench), STATUS_OK);
	run_until(bench->loop, is_down, bench);
	assert_int_equal(bench->answers.count, 2);
	assert_int_equal(bench->answers.status, STATUS_TIMEOUT);
	assert_int_equal(bench->downs, 1);
	kill(bench->server.pid, SIGCONT);
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "PING", PATIENCE_MS);
	run_until(bench->loop, has_answer, bench);
	assert_string_equal(bench->answers.text, "PONG");
}

static void it_comes_back_when_the_server_does(void **state)
{
	struct bench *bench = *state;
	run_until(bench->loop, is_up, bench);
	test_redis_stop(&bench->server);
	run_until(bench->loop, is_down, bench);
	assert_string_equal(bench->reason, "closed by Redis");
	run_until(bench->loop, is_told_once_more, bench);
	run_for(bench->loop, 600); /* a few tries, which all fail alike */
	assert_int_equal(bench->downs, 2);
	assert_string_not_equal(bench->reason, "closed by Redis");
	test_redis_start(&bench->server);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(bench->ups, 2);
}

static void a_wrong_password_is_told_and_never_up(void **state)
{
	struct bench *bench = *state;
	end_client(bench);
	start_client(bench, "wrong-password");
	run_until(bench->loop, was_told_down, bench);
	run_for(bench->loop, 300);
	assert_false(redis_is_up(bench->redis));
	assert_int_equal(bench->downs, 1);
	assert_non_null(strstr(bench->reason, "login refused"));
	assert_null(strstr(bench->reason, "wrong-password"));
}

static void a_forgotten_script_is_sent_again(void **state)
{
	struct bench *bench = *state;
	struct redis_script script;
	struct span arguments[2] = { SPAN("key"), SPAN("argument") };
	assert_int_equal(redis_script_init(&script, "return KEYS[1] .. ' ' .. ARGV[1]"), STATUS_OK);
	run_until(bench->loop, is_up, bench);
	for (int i = 0; i < 2; i++) {
		bench->answers = (struct answers){ 0 };
		assert_int_equal(
			redis_run_script(bench->redis, &script, arguments, 2, 1, PATIENCE_MS, on_answer, bench),
			STATUS_OK);
		run_until(bench->loop, has_answer, bench);
		assert_string_equal(bench->answers.text, "key argument");
		ask_redis(bench, "SCRIPT FLUSH", PATIENCE_MS);
		run_until(bench->loop, has_answer, bench);
	}
}

static void freeing_it_drops_pending_calls_without_a_word(void **state)
{
	struct bench *bench = *state;
	struct redis_script script;
	struct span key = SPAN("key");
	assert_int_equal(redis_script_init(&script, "return 1"), STATUS_OK);
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "PING", PATIENCE_MS);
	assert_int_equal(redis_run_script(bench->redis, &script, &key, 1, 1, PATIENCE_MS, on_answer, bench), STATUS_OK);
	redis_free(&bench->redis);
	run_for(bench->loop, 50);
	assert_int_equal(bench->answers.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_logs_in_and_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whatever_bytes_an_argument_has_it_is_one_argument, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_before_it_is_up_is_unavailable_and_told_later, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_hundred_calls_of_one_turn_are_answered_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_frozen_server_ends_every_pending_call_at_the_deadline, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(it_comes_back_when_the_server_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wrong_password_is_told_and_never_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_forgotten_script_is_sent_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(freeing_it_drops_pending_calls_without_a_word, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
