/* Open messages of a dead process whose file was rotated meanwhile: found, plain or packed, and closed once. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/archive/archive.h"
#include "audit_fixture.h"

static void path_of(const struct audit_bench *bench, const char *name, char out_path[100])
{
	snprintf(out_path, 100, "%.70s/%.20s", bench->folder, name);
}

static int end_search(void **state)
{
	static const char *const names[] = { "a.1", "a.1.gz", "a.2" };
	char path[100];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(*state, names[i], path);
		unlink(path);
	}
	return end_bench(state);
}

static void rotate_to(struct audit_bench *bench, const char *name)
{
	char path[100];
	path_of(bench, name, path);
	if (rename(bench->file, path) != 0)
		_exit(1);
	audit_use_file(bench->audit, open(bench->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600), span_of(name));
}

/*
 * In a child that dies without a word: m1 and m2 leave before the first rotation, m3 after it, m4 after the second one;
 * m2 has its outcome by then.
 */
static void die_after_two_rotations(struct audit_bench *bench)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start_audit(bench);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m1", 1);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m2", 1);
		rotate_to(bench, "a.1");
		submit_record(bench, AUDIT_MESSAGE_SENT, "m2", 1);
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m3", 1);
		rotate_to(bench, "a.2");
		submit_record(bench, AUDIT_MESSAGE_LEAVING, "m4", 1);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void pack(struct audit_bench *bench, const char *name, const char *packed)
{
	char from_path[100], to_path[100];
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	path_of(bench, name, from_path);
	path_of(bench, packed, to_path);
	int from = open(from_path, O_RDONLY | O_CLOEXEC);
	int to = open(to_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(archive_pack(from, to, AUDIT_COMPRESS_GZIP, &work), STATUS_OK);
	close(from);
	close(to);
	assert_int_equal(unlink(from_path), 0);
}

static void start_audit_with_earlier(struct audit_bench *bench, const char *one, const char *other)
{
	char path[100];
	int earlier[2];
	path_of(bench, one, path);
	earlier[0] = open(path, O_RDONLY | O_CLOEXEC);
	path_of(bench, other, path);
	earlier[1] = open(path, O_RDONLY | O_CLOEXEC);
	struct audit_options options = {
		.fd = open(bench->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600),
		.state_fd = open(bench->state_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		.earlier = earlier,
		.earlier_count = 2,
		.keys_fd = open(bench->keys_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		.sync = AUDIT_SYNC_ALWAYS,
		.node = "node.example",
		.on_trouble = on_trouble,
		.context = bench,
	};
	assert_true(earlier[0] >= 0 && earlier[1] >= 0);
	assert_int_equal(audit_create(bench->loop, &options, &bench->audit), STATUS_OK);
	close(earlier[0]);
	close(earlier[1]);
}

/* The messages of the file's records, in order: "m1:leaving m1:sent". */
static void list_messages(const struct audit_bench *bench, char text[1000])
{
	json_t *records = read_records(bench);
	text[0] = '\0';
	for (size_t i = 0; i < json_array_size(records); i++) {
		size_t used = strlen(text);
		snprintf(text + used, 1000 - used, "%s%s:%s", used ? " " : "", text_of(records, i, "message"),
			 strchr(text_of(records, i, "type"), '.') + 1);
	}
	json_decref(records);
}

static bool has_three_unknown(void *context)
{
	char text[1000];
	unsigned count = 0;
	list_messages(context, text);
	for (const char *at = text; (at = strstr(at, ":unknown")) != NULL; at++)
		count++;
	return count >= 3;
}

/* The dead process's place is free. Never closed: this process's locks on the file would go with the descriptor. */
static bool has_buried(void *context)
{
	const struct audit_bench *bench = context;
	static int fd = -1;
	struct audit_place first = { 0 };
	if (fd < 0)
		fd = open(bench->state_file, O_RDONLY | O_CLOEXEC);
	return pread(fd, &first, sizeof(first), 0) == sizeof(first) && first.chain_id[0] == '\0';
}

static void open_messages_are_found_in_plain_and_packed_files_and_closed_once(void **state)
{
	struct audit_bench *bench = *state;
	char text[1000];
	die_after_two_rotations(bench);
	pack(bench, "a.1", "a.1.gz");
	start_audit_with_earlier(bench, "a.2", "a.1.gz"); /* in no order */
	run_until(bench->loop, has_three_unknown, bench);
	list_messages(bench, text);
	assert_string_equal(text, "m4:leaving m1:unknown m3:unknown m4:unknown");
	run_until(bench->loop, has_buried, bench);
	audit_free(&bench->audit);
	start_audit_with_earlier(bench, "a.2", "a.1.gz");
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m5", 1);
	audit_free(&bench->audit);
	list_messages(bench, text);
	assert_string_equal(text, "m4:leaving m1:unknown m3:unknown m4:unknown m5:refused");
}

static void a_search_that_was_cut_short_is_done_by_the_next_process(void **state)
{
	struct audit_bench *bench = *state;
	char text[1000];
	die_after_two_rotations(bench);
	pid_t pid = fork(); /* its loop never turns, so that nothing that it finds is written */
	if (pid == 0) {
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start_audit_with_earlier(bench, "a.1", "a.2");
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	start_audit_with_earlier(bench, "a.1", "a.2");
	run_until(bench->loop, has_three_unknown, bench);
	list_messages(bench, text);
	assert_string_equal(text, "m4:leaving m1:unknown m3:unknown m4:unknown");
}

static void the_end_does_not_wait_for_a_search(void **state)
{
	struct audit_bench *bench = *state;
	die_after_two_rotations(bench);
	start_audit_with_earlier(bench, "a.1", "a.2");
	audit_free(&bench->audit);
	start_audit_with_earlier(bench, "a.1", "a.2");
	run_until(bench->loop, has_three_unknown, bench);
}

static void the_state_tells_from_when_on_files_matter(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_place places[3] = {
		{ .chain_id = "0123456789abcdef", .version = 1, .since_s = 2000 },
		{ .chain_id = "", .version = 1, .since_s = 500 }, /* free */
		{ .chain_id = "fedcba9876543210", .version = 1, .since_s = 1000 },
	};
	uint64_t since = 0;
	int fd = open(bench->state_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_false(audit_may_have_open_since(fd, &since));
	assert_int_equal(pwrite(fd, places, sizeof(places), 0), sizeof(places));
	assert_true(audit_may_have_open_since(fd, &since));
	assert_int_equal(since, 1000);
	places[2].version = 0; /* of a process that did not write when */
	assert_int_equal(pwrite(fd, places, sizeof(places), 0), sizeof(places));
	assert_true(audit_may_have_open_since(fd, &since));
	assert_int_equal(since, 0);
	close(fd);
}

#define WITH_SEARCH(test) cmocka_unit_test_setup_teardown(test, begin_bench, end_search)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SEARCH(open_messages_are_found_in_plain_and_packed_files_and_closed_once),
		WITH_SEARCH(a_search_that_was_cut_short_is_done_by_the_next_process),
		WITH_SEARCH(the_end_does_not_wait_for_a_search),
		WITH_SEARCH(the_state_tells_from_when_on_files_matter),
	};
	return cmocka_run_group_tests_name("audit search", tests, NULL, NULL);
}
