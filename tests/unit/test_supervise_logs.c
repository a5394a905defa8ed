/* Log lines on their way from a role's pipe to a file. */
#include "supervise/logs.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "supervise_fixture.h"
#include "with_loop.h"

struct log_test {
	struct fixture f;
	struct loop *loop;
	struct stats *stats;
	struct logs *logs;
	char path[PATH_SIZE];
	char text[1U << 20];
};

static int set_up(void **state)
{
	struct log_test *t = calloc(1, sizeof(*t));
	struct log_target *target = NULL;
	char sections[1024];
	fixture_open(&t->f);
	fixture_path(&t->f, "log", t->path);
	snprintf(sections, sizeof(sections), "%s%slog { target = \"%s\" }\n", ONE_LISTENER, PLAIN_RELAY, t->path);
	fixture_config(&t->f, sections);
	assert_int_equal(loop_create(&t->loop), STATUS_OK);
	assert_int_equal(log_target_open(t->f.config, &target), STATUS_OK);
	assert_int_equal(stats_create_private(&t->stats), STATUS_OK);
	assert_int_equal(logs_create(t->loop, target, t->stats, &t->logs), STATUS_OK);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct log_test *t = *state;
	logs_free(&t->logs);
	stats_free_private(&t->stats);
	loop_free(t->loop);
	fixture_close(&t->f);
	free(t);
	return 0;
}

static uint64_t lines_lost(const struct log_test *t)
{
	return stats_sum(t->stats, 1, COUNTER_LOG_DROPPED, 0);
}

static int open_pipe(struct log_test *t, const char *who)
{
	int fd = -1;
	assert_int_equal(logs_open(t->logs, who, LOG_LEVEL_WARNING, &fd), STATUS_OK);
	return fd;
}

static void put_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* The file's lines, each without its timestamp. */
static const char *read_log(struct log_test *t)
{
	char line[4096];
	FILE *file = fopen(t->path, "r");
	size_t size = 0;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *space = strchr(line, ' ');
		assert_non_null(space);
		assert_int_equal(space[-1], 'Z');
		size += (size_t)snprintf(t->text + size, sizeof(t->text) - size, "%s", space + 1);
	}
	fclose(file);
	t->text[size] = '\0';
	return t->text;
}

static void a_line_is_forwarded_whole_however_it_comes(void **state)
{
	struct log_test *t = *state;
	const char *const line = "info gate 1: somebody came\n";
	int fd = open_pipe(t, "gate 1");
	put_text(fd, line);
	logs_flush(t->logs);
	for (size_t i = 0; line[i]; i++) {
		put_text(fd, (const char[]){ line[i], '\0' });
		logs_flush(t->logs);
	}
	assert_string_equal(read_log(t), "info gate 1: somebody came\ninfo gate 1: somebody came\n");
	close(fd);
}

static void a_line_in_anothers_name_is_marked(void **state)
{
	struct log_test *t = *state;
	int fd = open_pipe(t, "gate 1");
	put_text(fd, "info relay: message sent\nassertion failed\ninfo gate 11: hello\n");
	logs_flush(t->logs);
	assert_string_equal(read_log(t), "warning gate 1: info relay: message sent\n"
					 "warning gate 1: assertion failed\n"
					 "warning gate 1: info gate 11: hello\n");
	close(fd);
}

static void control_bytes_and_empty_lines_don_t_reach_the_log(void **state)
{
	struct log_test *t = *state;
	int fd = open_pipe(t, "auth");
	put_text(fd, "\n\ninfo auth: a\033[31mb\tc\r\n");
	logs_flush(t->logs);
	assert_string_equal(read_log(t), "info auth: a?[31mb?c?\n");
	close(fd);
}

static void a_line_longer_than_we_keep_comes_in_pieces(void **state)
{
	struct log_test *t = *state;
	char line[LOGS_LINE_MAXIMUM + 101];
	int fd = open_pipe(t, "auth");
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "info auth: ", 11);
	line[sizeof(line) - 1] = '\0';
	put_text(fd, line);
	put_text(fd, "\n");
	logs_flush(t->logs);
	const char *text = read_log(t);
	const char *end = strchr(text, '\n');
	assert_int_equal(end - text, LOGS_LINE_MAXIMUM);
	assert_int_equal(strncmp(end + 1, "warning auth: xxx", 17), 0);
	assert_int_equal(strlen(end + 1), strlen("warning auth: ") + 100 + 1);
	close(fd);
}

static void what_a_process_wrote_last_is_kept_when_it_dies(void **state)
{
	struct log_test *t = *state;
	int fd = open_pipe(t, "relay");
	put_text(fd, "info relay: half a li");
	close(fd);
	run_for(t->loop, 20);
	assert_string_equal(read_log(t), "info relay: half a li\n");
}

static void a_full_pipe_drops_lines_and_never_waits(void **state)
{
	struct log_test *t = *state;
	char line[1024];
	int fd = open_pipe(t, "gate 1");
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	size_t written = 0;
	while (write(fd, line, sizeof(line)) == (ssize_t)sizeof(line))
		written++;
	assert_true(written >= 32);
	run_for(t->loop, 50);
	assert_int_equal(write(fd, line, sizeof(line)), (ssize_t)sizeof(line));
	assert_int_equal(lines_lost(t), 0);
	close(fd);
}

static off_t log_size(const struct log_test *t)
{
	struct stat info;
	assert_int_equal(stat(t->path, &info), 0);
	return info.st_size;
}

/* A process that never stops: short lines, as they cost the most. */
static pid_t start_flood(int fd)
{
	pid_t child = fork();
	if (child)
		return child;
	char lines[2048];
	memset(lines, '\n', sizeof(lines));
	for (size_t i = 0; i < sizeof(lines); i += 2)
		lines[i] = 'x';
	for (;;)
		if (write(fd, lines, sizeof(lines)) < 0)
			sched_yield();
}

static void a_process_that_floods_its_log_is_read_at_its_pace(void **state)
{
	static const struct pace_limit limit = { .burst = 200000, .a_second = 10000 };
	struct log_test *t = *state;
	int fd = -1, quiet = open_pipe(t, "relay");
	assert_int_equal(logs_open_paced(t->logs, "gate 1", LOG_LEVEL_WARNING, &limit, &fd), STATUS_OK);
	pid_t child = start_flood(fd);
	run_for(t->loop, 300);
	put_text(quiet, "info relay: still here\n");
	run_for(t->loop, 300);
	assert_in_range(log_size(t), 1000, 400000); /* some hundred times as much comes in that time without it */
	const char *text = read_log(t);
	assert_non_null(strstr(text, "info relay: still here\n"));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(fd);
	close(quiet);
}

/* It may be a flood that fills the pipe just before each reload: what is taken out of turn counts, too. */
static void a_flush_keeps_the_pace(void **state)
{
	static const struct pace_limit limit = { .burst = 1000, .a_second = 1 };
	struct log_test *t = *state;
	int fd = -1;
	assert_int_equal(logs_open_paced(t->logs, "gate 1", LOG_LEVEL_WARNING, &limit, &fd), STATUS_OK);
	for (unsigned i = 0; i < 2000; i++)
		put_text(fd, "info gate 1: somebody came\n");
	for (unsigned i = 0; i < 10; i++)
		logs_flush(t->logs);
	assert_in_range(log_size(t), 1000, 10000);
	close(fd);
}

/* More than it holds by itself can only come in while it is read: whoever goes on writing is not waited for. */
static void a_flush_has_an_end_whatever_comes_in(void **state)
{
	static const char line[] = "info relay: a line of a flood, as long as lines of a log are, or nearly so\n";
	const size_t size = 1U << 20, lines = size / (sizeof(line) + 20); /* each page of a pipe has some bytes left */
	struct log_test *t = *state;
	int fd = open_pipe(t, "relay");
	assert_int_equal(fcntl(fd, F_SETPIPE_SZ, size), size);
	for (size_t i = 0; i < lines; i++)
		put_text(fd, line);
	logs_flush(t->logs);
	assert_in_range(log_size(t), size / 4, size * 3 / 4);
	logs_flush(t->logs);
	logs_flush(t->logs);
	assert_true((size_t)log_size(t) > lines * sizeof(line));
	close(fd);
}

static void another_target_takes_over_without_loss(void **state)
{
	struct log_test *t = *state;
	struct log_target *target = NULL;
	char moved[PATH_SIZE];
	int fd = open_pipe(t, "relay");
	put_text(fd, "info relay: before\n");
	fixture_path(&t->f, "log.1", moved);
	assert_int_equal(rename(t->path, moved), 0);
	assert_int_equal(log_target_open(t->f.config, &target), STATUS_OK);
	logs_set_target(t->logs, target);
	put_text(fd, "info relay: after\n");
	logs_flush(t->logs);
	assert_string_equal(read_log(t), "info relay: after\n");
	snprintf(t->path, sizeof(t->path), "%s", moved);
	assert_string_equal(read_log(t), "info relay: before\n");
	close(fd);
}

static void what_a_full_disk_does_not_take_is_counted(void **state)
{
	struct log_test *t = *state;
	struct log_target *full = NULL;
	int fd = open_pipe(t, "gate 1");
	fixture_config(&t->f, ONE_LISTENER PLAIN_RELAY "log { target = \"/dev/full\" }\n");
	assert_int_equal(log_target_open(t->f.config, &full), STATUS_OK);
	put_text(fd, "info gate 1: one\n");
	logs_set_target(t->logs, full);
	assert_int_equal(lines_lost(t), 0);
	put_text(fd, "info gate 1: two\ninfo gate 1: three\n");
	logs_flush(t->logs);
	assert_int_equal(lines_lost(t), 2);
	assert_string_equal(read_log(t), "info gate 1: one\n");
	close(fd);
}

static void a_log_file_is_not_for_everybody(void **state)
{
	struct log_test *t = *state;
	struct stat info;
	assert_int_equal(stat(t->path, &info), 0);
	assert_int_equal(info.st_mode & 0007, 0);
}

int main(void)
{
#define WITH_LOGS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_LOGS(a_line_is_forwarded_whole_however_it_comes),
		WITH_LOGS(a_line_in_anothers_name_is_marked),
		WITH_LOGS(control_bytes_and_empty_lines_don_t_reach_the_log),
		WITH_LOGS(a_line_longer_than_we_keep_comes_in_pieces),
		WITH_LOGS(what_a_process_wrote_last_is_kept_when_it_dies),
		WITH_LOGS(a_full_pipe_drops_lines_and_never_waits),
		WITH_LOGS(a_process_that_floods_its_log_is_read_at_its_pace),
		WITH_LOGS(a_flush_keeps_the_pace),
		WITH_LOGS(a_flush_has_an_end_whatever_comes_in),
		WITH_LOGS(another_target_takes_over_without_loss),
		WITH_LOGS(what_a_full_disk_does_not_take_is_counted),
		WITH_LOGS(a_log_file_is_not_for_everybody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
