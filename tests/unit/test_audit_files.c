/* The audit goes on in another file: one that came into the place of a renamed one, or of one that was deleted. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "audit_fixture.h"

static void former_path(const struct audit_bench *bench, char out_path[100])
{
	snprintf(out_path, 100, "%.70s/a.1", bench->folder);
}

static int end_files(void **state)
{
	char path[100];
	former_path(*state, path);
	unlink(path);
	return end_bench(state);
}

static void rename_file(struct audit_bench *bench)
{
	char path[100];
	former_path(bench, path);
	assert_int_equal(rename(bench->file, path), 0);
}

static void hand_over_next(struct audit_bench *bench, const char *former_name)
{
	int fd = open(bench->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	audit_use_file(bench->audit, fd, span_of(former_name));
}

/* The messages of the file's records, in order: "m1:leaving m1:sent". */
static void list_messages(struct audit_bench *bench, char text[1000])
{
	json_t *records = read_records(bench);
	for (size_t i = 0; i < json_array_size(records); i++) {
		size_t used = strlen(text);
		snprintf(text + used, 1000 - used, "%s%s:%s", used ? " " : "", text_of(records, i, "message"),
			 strchr(text_of(records, i, "type"), '.') + 1);
	}
	json_decref(records);
}

static void assert_messages(struct audit_bench *bench, const char *expected)
{
	char text[1000] = "";
	list_messages(bench, text);
	assert_string_equal(text, expected);
}

static void assert_former_messages(struct audit_bench *bench, const char *expected)
{
	struct audit_bench former = *bench;
	former_path(bench, former.file);
	assert_messages(&former, expected);
}

static void records_follow_into_the_file_that_took_the_place_of_a_renamed_one(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m1", 1);
	rename_file(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m2", 1); /* nobody has told yet */
	hand_over_next(bench, "a.1");
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m3", 1);
	assert_messages(bench, "m3:refused");
	assert_former_messages(bench, "m1:refused m2:refused");
}

static void the_same_file_once_more_changes_nothing(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m1", 1);
	hand_over_next(bench, "");
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m2", 1);
	assert_messages(bench, "m1:refused m2:refused");
}

/* Of two files that came one after the other, the later one is the present one. */
static void the_last_of_several_files_counts(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m1", 1);
	rename_file(bench);
	hand_over_next(bench, "a.1");
	assert_int_equal(unlink(bench->file), 0);
	hand_over_next(bench, "");
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m2", 1);
	assert_messages(bench, "m2:refused");
	assert_former_messages(bench, "m1:refused");
}

static void a_record_counts_as_written_only_in_a_file_that_has_a_name(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m2", 1);
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m1", 1);
	assert_int_equal(unlink(bench->file), 0);
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_for(bench->loop, 300);
	assert_int_equal(bench->told, 0);
	hand_over_next(bench, "");
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_OK);
	assert_string_equal(bench->trouble, ""); /* nobody need hear of it */
	assert_messages(bench, "m2:leaving");
}

static void without_a_file_to_go_on_in_whoever_waits_hears_it(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m2", 1);
	start_audit(bench);
	assert_int_equal(unlink(bench->file), 0);
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM);
	assert_true(audit_is_stuck(bench->audit));
	assert_string_equal(bench->trouble, "the file was deleted, and there is no other one yet");
	hand_over_next(bench, "");
	submit_record(bench, AUDIT_MESSAGE_FAILED, "m2", 1); /* both are written in the end */
	assert_false(audit_is_stuck(bench->audit));
	assert_messages(bench, "m2:leaving m2:failed");
}

static void messages_under_way_come_along_from_a_deleted_file(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_LEAVING, "m1", 1);
	submit_record(bench, AUDIT_MESSAGE_LEAVING, "m2", 1);
	submit_record(bench, AUDIT_MESSAGE_LEAVING, "m3", 1);
	submit_record(bench, AUDIT_MESSAGE_SENT, "m2", 1);
	assert_int_equal(unlink(bench->file), 0);
	hand_over_next(bench, "");
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m4", 1);
	assert_messages(bench, "m1:leaving m3:leaving m4:refused");
	submit_record(bench, AUDIT_MESSAGE_SENT, "m1", 1);
	submit_record(bench, AUDIT_MESSAGE_SENT, "m3", 1);
}

static bool was_told_twice(void *context)
{
	return ((struct audit_bench *)context)->told == 2;
}

/* An outcome must not come before its leaving: a search after a crash would take the message for an open one. */
static void a_message_whose_outcome_comes_first_is_not_carried_after_it(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_event sent = message_event(AUDIT_MESSAGE_SENT, "m2", 1);
	struct audit_event leaving = message_event(AUDIT_MESSAGE_LEAVING, "m3", 1);
	char text[1000] = "";
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_LEAVING, "m1", 1);
	submit_record(bench, AUDIT_MESSAGE_LEAVING, "m2", 1);
	assert_int_equal(unlink(bench->file), 0);
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &sent, on_written, bench), STATUS_OK);
	assert_int_equal(audit_submit(bench->audit, &leaving, on_written, bench), STATUS_OK);
	run_for(bench->loop, 200); /* on most machines the thread has seen by then that the file is gone */
	hand_over_next(bench, "");
	run_until(bench->loop, was_told_twice, bench);
	submit_record(bench, AUDIT_MESSAGE_FAILED, "m1", 1);
	list_messages(bench, text);
	if (strstr(text, "m2:leaving"))
		assert_string_equal(text, "m1:leaving m2:leaving m2:sent m3:leaving m1:failed");
	else
		assert_string_equal(text, "m2:sent m3:leaving m1:leaving m1:failed");
	submit_record(bench, AUDIT_MESSAGE_FAILED, "m3", 1);
}

/* In a child that dies without a word, with a message under way that was in a deleted file. */
static void die_after_the_file_was_deleted(struct audit_bench *bench)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start_audit(bench);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m1", 1);
		unlink(bench->file);
		hand_over_next(bench, "");
		submit_record(bench, AUDIT_MESSAGE_REFUSED, "m2", 1);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void what_came_along_becomes_unknown_after_a_crash(void **state)
{
	struct audit_bench *bench = *state;
	die_after_the_file_was_deleted(bench);
	start_audit(bench);
	assert_messages(bench, "m1:leaving m2:refused m1:unknown");
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, begin_bench, end_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(records_follow_into_the_file_that_took_the_place_of_a_renamed_one),
		WITH_FILES(the_same_file_once_more_changes_nothing),
		WITH_FILES(the_last_of_several_files_counts),
		WITH_FILES(a_record_counts_as_written_only_in_a_file_that_has_a_name),
		WITH_FILES(without_a_file_to_go_on_in_whoever_waits_hears_it),
		WITH_FILES(messages_under_way_come_along_from_a_deleted_file),
		WITH_FILES(a_message_whose_outcome_comes_first_is_not_carried_after_it),
		WITH_FILES(what_came_along_becomes_unknown_after_a_crash),
	};
	return cmocka_run_group_tests_name("audit files", tests, NULL, NULL);
}
