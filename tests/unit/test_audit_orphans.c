/* Messages whose outcome nobody wrote: those of a dead process become unknown, once. On real files. */
#include <signal.h>
#include <sys/wait.h>

#include "audit_fixture.h"

/* In a child that dies without a word: writes these leavings, then the outcome of the first. */
static void die_with_open_messages(struct audit_bench *bench)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct loop *loop = NULL;
		if (loop_create(&loop) != STATUS_OK)
			_exit(1);
		bench->loop = loop;
		start_audit(bench);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m1", 1);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m2", 1);
		submit_record(bench, AUDIT_MESSAGE_FAILED, "m2", 1);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m2", 2);
		submit_record(bench, AUDIT_MESSAGE_SENT, "m1", 1);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void what_a_dead_process_left_open_becomes_unknown_once(void **state)
{
	struct audit_bench *bench = *state;
	die_with_open_messages(bench);
	for (int i = 0; i < 2; i++) { /* the second start finds nothing more */
		start_audit(bench);
		json_t *records = read_records(bench);
		assert_int_equal(json_array_size(records), 6);
		assert_string_equal(text_of(records, 5, "type"), "message.unknown");
		assert_string_equal(text_of(records, 5, "message"), "m2");
		assert_string_equal(text_of(records, 5, "user"), "alice@example.com");
		assert_string_equal(text_of(records, 5, "shared_quota"), "team");
		assert_int_equal(json_integer_value(json_object_get(json_array_get(records, 5), "attempt")), 2);
		json_decref(records);
		audit_free(&bench->audit);
	}
}

/* Bytes of one record, and how many of them make the writer save the journal more than once. */
#define LONG_TEXT (100U << 10)
#define LONG_RECORDS 30

static void submit_long_record(struct audit_bench *bench, enum audit_type type, const char *message)
{
	static char text[LONG_TEXT];
	struct audit_event event = message_event(type, message, 1);
	memset(text, 'x', sizeof(text));
	event.header_from = (struct span){ text, sizeof(text) };
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
}

/* In a child that dies without a word: one message stays under way while many others leave and have their outcome. */
static void die_long_after_a_message_left(struct audit_bench *bench)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start_audit(bench);
		submit_record(bench, AUDIT_MESSAGE_SENT, "earlier", 1);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "slow", 1);
		for (unsigned i = 0; i < LONG_RECORDS; i++) {
			char message[16];
			snprintf(message, sizeof(message), "m%u", i / 2);
			submit_long_record(bench, i % 2 ? AUDIT_MESSAGE_SENT : AUDIT_MESSAGE_LEAVING, message);
		}
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Where the next start begins to search has moved on by then, but not past that message. */
static void a_message_under_way_is_found_however_much_was_written_after_it(void **state)
{
	struct audit_bench *bench = *state;
	die_long_after_a_message_left(bench);
	start_audit(bench);
	json_t *records = read_records(bench);
	size_t last = json_array_size(records) - 1;
	assert_int_equal(last, LONG_RECORDS + 2);
	assert_string_equal(text_of(records, last, "type"), "message.unknown");
	assert_string_equal(text_of(records, last, "message"), "slow");
	json_decref(records);
}

static void what_a_living_process_has_open_is_left_alone(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_LEAVING, "mine", 1);
	pid_t pid = fork(); /* locks are not inherited: the child is another process of a reload */
	if (pid == 0) {
		bench->audit = NULL;
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start_audit(bench);
		audit_free(&bench->audit);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 1);
	json_decref(records);
	submit_record(bench, AUDIT_MESSAGE_SENT, "mine", 1);
}

static int make_file(const char *content)
{
	char path[] = "/tmp/subgate-orphans-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	return fd;
}

static enum status note_orphan(void *context, json_t *record)
{
	struct buf *found = context;
	return buf_append(found, span_of(json_string_value(json_object_get(record, "message"))));
}

#define RECORD(second, type, message)                                                                           \
	"{\"ts\":\"2026-11-29T20:30:0" second ".000000Z\",\"type\":\"message." type "\",\"message\":\"" message \
	"\",\"attempt\":1,\"chain\":{\"id\":\"0123456789abcdef\"}}\n"

/* As those of a deleted file that was kept, which its process had carried into the next one. */
static void a_record_that_stands_in_two_files_is_one_message(void **state)
{
	const struct audit_place place = { .chain_id = "0123456789abcdef" };
	atomic_bool stop = false;
	struct buf found BUF_AUTO;
	struct audit_files files = { .list = calloc(2, sizeof(*files.list)), .count = 2 };
	(void)state;
	buf_init(&found, 100);
	assert_non_null(files.list);
	files.list[0].fd = make_file(RECORD("1", "leaving", "a") RECORD("2", "leaving", "b"));
	files.list[1].fd = make_file(RECORD("3", "leaving", "a") RECORD("4", "leaving", "b") RECORD("5", "sent", "a"));
	assert_int_equal(audit_orphans_find_in_all(&files, &place, 1, &stop, note_orphan, &found), STATUS_OK);
	assert_true(span_equal(buf_span(&found), SPAN("b")));
	audit_files_close(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_a_dead_process_left_open_becomes_unknown_once),
		WITH_BENCH(a_message_under_way_is_found_however_much_was_written_after_it),
		WITH_BENCH(what_a_living_process_has_open_is_left_alone),
		cmocka_unit_test(a_record_that_stands_in_two_files_is_one_message),
	};
	return cmocka_run_group_tests_name("audit orphans", tests, NULL, NULL);
}
