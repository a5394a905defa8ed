/* The administrator's program for heads of the audit's chain: what it gets, how often, and what ends it. */
#include <stdlib.h>
#include <string.h>

#include "door/messages.h"
#include "supervise/anchor_command.h"
#include "supervise_fixture.h"
#include "with_loop.h"

#define NEVER_MS 3600000
#define TEXT_SIZE 8192 /* bytes */
#define NOBODY 65534

static struct {
	struct fixture f;
	struct loop *loop;
	struct stats *stats;
	struct logs *logs;
	struct anchor_command *anchor;
	char program[PATH_SIZE];
	unsigned ended;
} world;

static int begin_world(void **state)
{
	struct log_target *target = NULL;
	(void)state;
	memset(&world, 0, sizeof(world));
	fixture_open(&world.f);
	assert_int_equal(chmod(world.f.folder, 0755), 0);
	fixture_path(&world.f, "state", world.program);
	assert_int_equal(mkdir(world.program, 0700), 0);
	fixture_config(&world.f, ONE_LISTENER PLAIN_RELAY "log { target = \"log\" }\n");
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(stats_create_private(&world.stats), STATUS_OK);
	assert_int_equal(log_target_open(world.f.config, &target), STATUS_OK);
	assert_int_equal(logs_create(world.loop, target, world.stats, &world.logs), STATUS_OK);
	fixture_path(&world.f, "program", world.program);
	fixture_write(&world.f, "out", "", 0666);
	fixture_write(&world.f, "own.log", "", 0600);
	return 0;
}

static void make_anchor(uint64_t pause_ms, uint64_t limit_ms, const struct identity *identity)
{
	const struct anchor_command_options options = {
		.identity = identity,
		.logs = world.logs,
		.stats = world.stats,
		.pause_ms = pause_ms,
		.limit_ms = limit_ms,
	};
	assert_int_equal(anchor_command_create(world.loop, &options, &world.anchor), STATUS_OK);
}

static int end_world(void **state)
{
	(void)state;
	anchor_command_free(&world.anchor);
	anchor_command_free(&world.anchor);
	logs_free(&world.logs);
	stats_free_private(&world.stats);
	loop_free(world.loop);
	fixture_close(&world.f);
	return 0;
}

static void write_program(const char *body)
{
	char text[TEXT_SIZE];
	snprintf(text, sizeof(text), "#!/bin/sh\nbegan=$PWD\ncd %s\n%s", world.f.folder, body);
	fixture_write(&world.f, "program", text, 0755);
}

static void take(uint64_t number)
{
	struct audit_statement statement = { .number = number, .chain = "0123456789abcdef", .count = 7 };
	memset(statement.head, 'a', HASH_SHA256_HEX_SIZE - 1);
	memset(statement.key, 'b', AUDIT_KEY_HEX_SIZE - 1);
	memset(statement.next, 'c', AUDIT_KEY_HEX_SIZE - 1);
	memset(statement.signature, 'd', AUDIT_SIGNATURE_HEX_SIZE - 1);
	anchor_command_take(world.anchor, world.program, "mail.example.com", &statement);
}

static const char *read_text(const char *name)
{
	static char text[TEXT_SIZE];
	char path[PATH_SIZE];
	fixture_path(&world.f, name, path);
	FILE *in = fopen(path, "r");
	text[in ? fread(text, 1, sizeof(text) - 1, in) : 0] = '\0';
	if (in)
		fclose(in);
	return text;
}

/* The numbers of the checkpoints in `out`, one line each: "1 3 ". */
static const char *numbers_given(void)
{
	static char numbers[256];
	size_t used = 0;
	struct span rest = span_of(read_text("out")), line;
	numbers[0] = '\0';
	while (span_cut(&rest, '\n', &line)) {
		struct audit_statement statement;
		json_t *object = json_loadb(line.data, line.size, 0, NULL);
		if (line.size == 0)
			continue;
		assert_string_equal(json_string_value(json_object_get(object, "node")), "mail.example.com");
		assert_int_equal(audit_statement_from_json(json_object_get(object, "checkpoint"), &statement),
				 STATUS_OK);
		used += (size_t)snprintf(numbers + used, sizeof(numbers) - used, "%u ", (unsigned)statement.number);
		json_decref(object);
	}
	return numbers;
}

static uint64_t runs(unsigned result)
{
	return stats_sum(world.stats, 1, COUNTER_ANCHOR_COMMANDS, result);
}

struct count {
	unsigned result;
	uint64_t wanted;
};

static bool has_count(void *context)
{
	const struct count *count = context;
	return runs(count->result) >= count->wanted;
}

static void run_until_ok(uint64_t wanted)
{
	struct count count = { 0, wanted };
	run_until(world.loop, has_count, &count);
	assert_int_equal(runs(0), wanted);
}

static void run_until_failed(uint64_t wanted)
{
	struct count count = { 1, wanted };
	run_until(world.loop, has_count, &count);
}

static void take_ended(void *context)
{
	(void)context;
	world.ended++;
}

static bool has_ended(void *context)
{
	(void)context;
	return world.ended > 0;
}

static bool is_there(void *context)
{
	char path[PATH_SIZE];
	fixture_path(&world.f, context, path);
	return access(path, F_OK) == 0;
}

/* ---- what it gets */

static void a_program_gets_one_line_and_nothing_else_of_ours(void **state)
{
	char expected[TEXT_SIZE];
	(void)state;
	int ours = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	setenv("REDIS_PASSWORD", "Redis-Secret-1", 1);
	write_program("wc -l >> out\necho \"$0 $#\" >> out\ntr '\\0' '\\n' < /proc/$$/environ >> out\n"
		      "echo $began >> out\nls /proc/self/fd < /dev/null | wc -l >> out\n");
	make_anchor(1, NEVER_MS, NULL);
	take(1);
	run_until_ok(1);
	snprintf(expected, sizeof(expected),
		 "1\n%s 0\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n/\n4\n",
		 world.program); /* 0, 1, 2, and the folder that ls reads */
	assert_string_equal(read_text("out"), expected);
	close(ours);
}

static void it_runs_as_the_user_that_it_is_given(void **state)
{
	const struct identity nobody = { .changes = true, .uid = NOBODY, .gid = NOBODY };
	(void)state;
	if (geteuid() != 0)
		skip();
	write_program("id -u >> out; id -G >> out\n");
	make_anchor(1, NEVER_MS, &nobody);
	take(1);
	run_until_ok(1);
	assert_string_equal(read_text("out"), "65534\n65534\n");
}

/* ---- how often */

static void each_is_given_once_with_a_pause_between(void **state)
{
	(void)state;
	write_program("cat >> out\n");
	make_anchor(1, NEVER_MS, NULL);
	take(1);
	run_until_ok(1);
	take(2);
	run_until_ok(2);
	run_for(world.loop, 50);
	assert_string_equal(numbers_given(), "1 2 ");
	assert_int_equal(runs(1), 0);
}

static void of_those_that_come_while_one_runs_the_latest_is_given(void **state)
{
	(void)state;
	write_program("cat >> out\n: > began\nuntil [ -e go ]; do sleep 0.02; done\n");
	make_anchor(1, NEVER_MS, NULL);
	take(1);
	run_until(world.loop, is_there, "began");
	take(2);
	take(3);
	run_for(world.loop, 50);
	assert_string_equal(numbers_given(), "1 "); /* one program at a time */
	fixture_write(&world.f, "go", "", 0600);
	run_until_ok(2);
	assert_string_equal(numbers_given(), "1 3 ");
}

static void in_the_pause_none_is_given_and_at_the_end_the_last(void **state)
{
	(void)state;
	write_program("cat >> out\n");
	make_anchor(NEVER_MS, NEVER_MS, NULL);
	take(1);
	run_until_ok(1);
	take(2);
	take(3);
	run_for(world.loop, 50);
	assert_string_equal(numbers_given(), "1 ");
	anchor_command_end(world.anchor, take_ended, NULL);
	run_until(world.loop, has_ended, NULL);
	assert_string_equal(numbers_given(), "1 3 ");
	run_for(world.loop, 20);
	assert_int_equal(world.ended, 1);
}

/* ---- what fails */

static void a_failure_is_told_once_counted_and_made_good(void **state)
{
	char path[PATH_SIZE];
	(void)state;
	fixture_path(&world.f, "own.log", path);
	int log = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	log_open(log, LOG_LEVEL_INFO, "supervisor");
	make_anchor(1, NEVER_MS, NULL); /* there is no program */
	take(1);
	run_until_failed(2);
	write_program("cat > /dev/null; exit 3\n");
	run_until_failed(runs(1) + 2);
	write_program("cat >> out\n");
	run_until_ok(1);
	log_open(STDERR_FILENO, LOG_LEVEL_INFO, "test");
	close(log);
	assert_string_equal(numbers_given(), "1 ");
	const char *told = strstr(read_text("own.log"), "did not take the chain's head: exit 127");
	assert_non_null(told);
	assert_null(strstr(told, "did not take the chain's head: exit 3"));
	assert_non_null(strstr(told, "takes the chain's heads again"));
}

/* A zombie is dead. */
static bool is_dead(pid_t pid)
{
	char path[64], text[256] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *in = fopen(path, "r");
	if (in == NULL)
		return true;
	(void)!fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	const char *at = strrchr(text, ')');
	return at == NULL || at[2] == 'Z' || at[2] == 'X';
}

static bool is_child_dead(void *context)
{
	int pid = 0;
	(void)context;
	return sscanf(read_text("pid"), "%d", &pid) == 1 && strchr(read_text("pid"), '.') && is_dead(pid);
}

static bool was_killed_with_its_child(void *context)
{
	return runs(1) > 0 && is_child_dead(context);
}

/*
 * Each run that is killed is followed by another, so that the first child that is noted counts: on a busy machine a
 * run may be killed before it did anything.
 */
static void a_run_that_takes_too_long_is_killed_with_all_that_it_started(void **state)
{
	(void)state;
	write_program("sleep 600 & echo $!. >> pid\nwait\n");
	make_anchor(1, 500, NULL);
	take(1);
	run_until(world.loop, was_killed_with_its_child, NULL);
	assert_int_equal(runs(0), 0);
}

static void what_a_run_leaves_behind_ends_with_it(void **state)
{
	(void)state;
	write_program("sleep 600 & echo $!. > pid\n");
	make_anchor(NEVER_MS, NEVER_MS, NULL);
	take(1);
	run_until_ok(1);
	run_until(world.loop, is_child_dead, NULL);
}

/* ---- the end */

static void the_end_comes_at_once_when_there_is_nothing_to_do(void **state)
{
	(void)state;
	make_anchor(1, NEVER_MS, NULL);
	anchor_command_end(world.anchor, take_ended, NULL);
	assert_int_equal(world.ended, 1);
}

static void the_end_does_not_try_again(void **state)
{
	(void)state;
	make_anchor(NEVER_MS, NEVER_MS, NULL);
	take(1);
	run_until_failed(1);
	take(2);
	anchor_command_end(world.anchor, take_ended, NULL);
	run_until(world.loop, has_ended, NULL);
	assert_int_equal(runs(1), 2);
}

static void whoever_gives_up_waits_for_no_program(void **state)
{
	(void)state;
	write_program(": > began\nsleep 600\n");
	make_anchor(1, NEVER_MS, NULL);
	take(1);
	run_until(world.loop, is_there, "began");
	take(2);
	anchor_command_end(world.anchor, take_ended, NULL);
	assert_int_equal(world.ended, 0);
	anchor_command_give_up(world.anchor);
	run_until(world.loop, has_ended, NULL);
	assert_int_equal(runs(1), 1);
	take(3);
	assert_int_equal(world.ended, 1);
}

/* ---- what the relay may say */

#define HEX_16 "0123456789abcdef"
#define HEX_64 HEX_16 HEX_16 HEX_16 HEX_16
#define WHOLE                                                                                              \
	{                                                                                                  \
		.number = 1, .chain = SPAN(HEX_16), .count = 2, .head = SPAN(HEX_64), .key = SPAN(HEX_64), \
		.next = SPAN(HEX_64), .signature = SPAN(HEX_64 HEX_64)                                     \
	}

static enum status read_back(const struct door_anchor *message, struct audit_statement *out_statement)
{
	struct buf payload BUF_AUTO;
	buf_init(&payload, DOOR_FRAME_MAXIMUM);
	assert_int_equal(door_write_anchor(&payload, message), STATUS_OK);
	return anchor_command_read(buf_span(&payload), out_statement);
}

static void a_statement_is_read_as_it_was_told(void **state)
{
	const struct door_anchor message = WHOLE;
	struct audit_statement statement;
	(void)state;
	assert_int_equal(read_back(&message, &statement), STATUS_OK);
	assert_int_equal(statement.number, 1);
	assert_int_equal(statement.count, 2);
	assert_string_equal(statement.chain, HEX_16);
	assert_string_equal(statement.head, HEX_64);
	assert_string_equal(statement.key, HEX_64);
	assert_string_equal(statement.next, HEX_64);
	assert_string_equal(statement.signature, HEX_64 HEX_64);
}

static void assert_not_read(const struct door_anchor *message)
{
	struct audit_statement statement;
	assert_int_equal(read_back(message, &statement), STATUS_INVALID);
}

static void nothing_but_numbers_and_digits_of_their_length_is_read(void **state)
{
	static const struct span bad[] = {
		SPAN(""),
		SPAN("0123456789abcde"),
		SPAN("0123456789abcdeF"),
		SPAN("0123456789abcde\n"),
		SPAN("0123456789abcde\""),
		SPAN("0123456789abcde\0"),
		SPAN(HEX_16 "0"),
		SPAN(HEX_64 "00"),
		SPAN(HEX_64 HEX_64 "00"),
		SPAN(HEX_64 HEX_64 HEX_64),
	};
	const struct door_anchor whole = WHOLE;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct door_anchor message = whole;
		struct span *const fields[] = { &message.chain, &message.head, &message.key, &message.next,
						&message.signature };
		for (size_t field = 0; field < sizeof(fields) / sizeof(fields[0]); field++) {
			message = whole;
			*fields[field] = bad[i];
			assert_not_read(&message);
		}
	}
	static const uint64_t numbers[] = { 0, (uint64_t)INT64_MAX + 1, UINT64_MAX };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct door_anchor message = whole;
		message.number = numbers[i];
		assert_not_read(&message);
		message = whole;
		message.count = numbers[i];
		assert_not_read(&message);
	}
	struct audit_statement statement;
	assert_int_equal(anchor_command_read(SPAN("short"), &statement), STATUS_INVALID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_program_gets_one_line_and_nothing_else_of_ours),
		CASE(it_runs_as_the_user_that_it_is_given),
		CASE(each_is_given_once_with_a_pause_between),
		CASE(of_those_that_come_while_one_runs_the_latest_is_given),
		CASE(in_the_pause_none_is_given_and_at_the_end_the_last),
		CASE(a_failure_is_told_once_counted_and_made_good),
		CASE(a_run_that_takes_too_long_is_killed_with_all_that_it_started),
		CASE(what_a_run_leaves_behind_ends_with_it),
		CASE(the_end_comes_at_once_when_there_is_nothing_to_do),
		CASE(the_end_does_not_try_again),
		CASE(whoever_gives_up_waits_for_no_program),
		cmocka_unit_test(a_statement_is_read_as_it_was_told),
		cmocka_unit_test(nothing_but_numbers_and_digits_of_their_length_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
