/* The audit's file: a disk that is full, lines that are torn, another process that writes, and the backlog. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/audit_writer.h"
#include "audit_fixture.h"

static void a_torn_line_stands_alone(void **state)
{
	struct audit_bench *bench = *state;
	int fd = open(bench->file, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "torn{", 5), 5);
	close(fd);
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m", 0);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 1);
	json_decref(records);
}

static void a_disk_that_takes_nothing_is_told_and_sticks(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	start_audit_with(bench, open("/dev/full", O_RDWR | O_CLOEXEC));
	assert_false(audit_is_stuck(bench->audit));
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM);
	assert_int_equal(bench->told, 1);
	assert_true(audit_is_stuck(bench->audit));
	assert_non_null(strstr(bench->trouble, "space"));
}

static bool is_stuck(void *context)
{
	return audit_is_stuck(((struct audit_bench *)context)->audit);
}

/* A message whose envelope came before the disk was full, and whose dot comes after. */
static void whoever_comes_while_an_earlier_record_is_stuck_is_told_too(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_event earlier = message_event(AUDIT_MESSAGE_REFUSED, "m1", 1);
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m2", 1);
	start_audit_with(bench, open("/dev/full", O_RDWR | O_CLOEXEC));
	assert_int_equal(audit_submit(bench->audit, &earlier, NULL, NULL), STATUS_OK);
	run_until(bench->loop, is_stuck, bench);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM);
	assert_int_equal(bench->told, 1);
}

static bool is_writing_again(void *context)
{
	return !audit_is_stuck(((struct audit_bench *)context)->audit);
}

static void records_wait_for_a_full_disk_to_have_room_and_none_is_lost(void **state)
{
	struct audit_bench *bench = *state;
	struct rlimit none = { 200, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "m1", 1);
	signal(SIGXFSZ, SIG_IGN);
	start_audit(bench);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(audit_submit(bench->audit, &event, i == 0 ? on_written : NULL, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	run_until(bench->loop, is_writing_again, bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m2", 1);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 4);
	assert_string_equal(text_of(records, 3, "message"), "m2");
	json_decref(records);
}

static bool has_died(void *context)
{
	return waitpid(*(pid_t *)context, NULL, WNOHANG) != 0;
}

/* Another process of a reload, which may write what it likes: writes two records and ends, or dies with half of one. */
static pid_t start_another(struct audit_bench *bench, bool dies)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid = fork();
	if (pid)
		return pid;
	bench->audit = NULL;
	setrlimit(RLIMIT_FSIZE, &all);
	if (loop_create(&bench->loop) != STATUS_OK)
		_exit(1);
	start_audit(bench);
	if (dies) {
		if (write(open(bench->file, O_WRONLY | O_APPEND), "torn{", 5) != 5)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "another", 1);
	for (bench->told = 0; bench->told < 2;) { /* the first may hear that it is not written yet */
		if (audit_submit(bench->audit, &event, on_written, bench) != STATUS_OK)
			_exit(1);
		run_for(bench->loop, 1500);
	}
	audit_free(&bench->audit);
	_exit(0);
}

static void a_full_disk_and_another_process_split_no_record(void **state)
{
	struct audit_bench *bench = *state;
	struct rlimit little = { 700, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "m1", 1);
	signal(SIGXFSZ, SIG_IGN);
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m0", 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	bench->told = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(audit_submit(bench->audit, &event, i == 0 ? on_written : NULL, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM); /* the disk is full, with a part of a record on it */
	pid_t another = start_another(bench, false);
	run_for(bench->loop, 2500); /* it has room, and waits all the same */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	run_until(bench->loop, is_writing_again, bench);
	run_until(bench->loop, has_died, &another);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m2", 1);
	json_t *records = read_records(bench); /* every line of them is JSON */
	assert_in_range(json_array_size(records), 7, 9);
	json_decref(records);
}

static void what_another_process_left_torn_ends_before_the_next_record(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m0", 1);
	pid_t another = start_another(bench, true);
	run_until(bench->loop, has_died, &another);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m1", 1);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 2);
	assert_string_equal(text_of(records, 1, "message"), "m1");
	json_decref(records);
}

/* Nobody waits for these, so the loop is not woken for each; still it hears of all, and the backlog does not fill. */
static void records_that_nobody_waits_for_leave_the_backlog(void **state)
{
	struct audit_bench *bench = *state;
	static struct audit_recipient recipients[300];
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "m1", 1);
	const size_t count = 24U << 20 >> 15; /* of at least 32 KiB each: half as much again as the backlog holds */
	for (size_t i = 0; i < 300; i++) {
		recipients[i].address = SPAN("somebody.with.a.long.name@a-long-domain.example.net");
		recipients[i].reply = (struct audit_reply){ 550, SPAN("5.7.1"), SPAN("Not by this relay, nor today") };
	}
	event.recipients = recipients;
	event.recipient_count = 300;
	start_audit(bench);
	for (size_t i = 0; i < count; i++) {
		unsigned waits = 0;
		/* The writer has its turns meanwhile, however slow the machine is. */
		while (audit_submit(bench->audit, &event, NULL, NULL) != STATUS_OK) {
			assert_true(++waits < 1000);
			run_for(bench->loop, 5);
		}
		run_for(bench->loop, 0);
	}
	struct stat file = { 0 };
	for (unsigned waits = 0; (size_t)file.st_size <= AUDIT_BACKLOG_MAXIMUM; waits++) {
		assert_true(waits < 1000);
		run_for(bench->loop, 5);
		assert_int_equal(stat(bench->file, &file), 0);
	}
}

static void on_wakeup(void *context)
{
	(void)context;
}

/* Else an outcome could stand in the file, and its message.leaving nowhere. */
static void nothing_follows_what_was_given_up_at_the_end(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_writer writer = { .next_fd = -1, .deleted_fd = -1, .stop = true };
	struct stat file;
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);
	int roomy = open(bench->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	pthread_mutex_init(&writer.mutex, NULL);
	pthread_cond_init(&writer.changed, NULL);
	writer.sign = life_join(LIFE_AUDIT);
	assert_int_equal(wakeup_create(bench->loop, on_wakeup, NULL, &writer.options.wakeup), STATUS_OK);
	audit_disk_begin(&writer.disk, full, AUDIT_SYNC_NONE);
	assert_int_equal(audit_lines_write(&writer, NULL, SPAN("leaving\n")), STATUS_SYSTEM);
	assert_int_equal(dup2(roomy, full), full); /* there is room again */
	assert_int_equal(audit_lines_write(&writer, NULL, SPAN("sent\n")), STATUS_SYSTEM);
	assert_int_equal(fstat(roomy, &file), 0);
	assert_int_equal(file.st_size, 0);
	wakeup_free(&writer.options.wakeup);
	pthread_mutex_destroy(&writer.mutex);
	pthread_cond_destroy(&writer.changed);
	close(full);
	close(roomy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_torn_line_stands_alone),
		WITH_BENCH(a_disk_that_takes_nothing_is_told_and_sticks),
		WITH_BENCH(whoever_comes_while_an_earlier_record_is_stuck_is_told_too),
		WITH_BENCH(records_wait_for_a_full_disk_to_have_room_and_none_is_lost),
		WITH_BENCH(a_full_disk_and_another_process_split_no_record),
		WITH_BENCH(what_another_process_left_torn_ends_before_the_next_record),
		WITH_BENCH(records_that_nobody_waits_for_leave_the_backlog),
		WITH_BENCH(nothing_follows_what_was_given_up_at_the_end),
	};
	return cmocka_run_group_tests_name("audit disk", tests, NULL, NULL);
}
