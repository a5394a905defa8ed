/* Child processes: what they get, what is told of their end; and the embedded Redis, which is one. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/secret.h"
#include "supervise/embedded_redis.h"
#include "supervise/folders.h"
#include "supervise/process.h"
#include "supervise_fixture.h"
#include "with_loop.h"

/* ---- processes */

struct child {
	struct loop *loop;
	struct process *process;
	int shell;
	int output[2];
	char how[64];
	bool ended;
};

static void take_exit(void *context, const char *how)
{
	struct child *child = context;
	snprintf(child->how, sizeof(child->how), "%s", how);
	child->ended = true;
	process_free(&child->process);
}

static bool has_ended(void *context)
{
	return ((struct child *)context)->ended;
}

static void child_open(struct child *child)
{
	*child = (struct child){ 0 };
	assert_int_equal(loop_create(&child->loop), STATUS_OK);
	child->shell = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	assert_true(child->shell >= 0);
	assert_int_equal(pipe2(child->output, O_CLOEXEC | O_NONBLOCK), 0);
}

static void child_start(struct child *child, char *script, const int *keep, size_t keep_count)
{
	char *const argv[] = { "sh", "-c", script, NULL };
	char *const envp[] = { "PATH=/usr/bin:/bin", NULL };
	const struct process_options options = {
		.binary = child->shell,
		.argv = argv,
		.envp = envp,
		.input = -1,
		.output = child->output[1],
		.keep = keep,
		.keep_count = keep_count,
		.folder = "/",
		.death_signal = SIGKILL,
		.on_exit = take_exit,
		.context = child,
	};
	child->ended = false;
	assert_int_equal(process_start(child->loop, &options, &child->process), STATUS_OK);
}

static void child_close(struct child *child)
{
	process_free(&child->process);
	close(child->shell);
	close(child->output[0]);
	close(child->output[1]);
	loop_free(child->loop);
}

static void assert_ends(struct child *child, char *script, const char *how)
{
	child_start(child, script, NULL, 0);
	run_until(child->loop, has_ended, child);
	assert_string_equal(child->how, how);
	assert_null(child->process);
}

static void the_end_of_a_process_is_told_once_and_in_words(void **state)
{
	(void)state;
	struct child child;
	child_open(&child);
	assert_ends(&child, "exit 0", "exit 0");
	assert_ends(&child, "exit 3", "exit 3");
	assert_ends(&child, "kill -9 $$", "killed by signal 9 (Killed)");
	assert_ends(&child, "kill -11 $$", "killed by signal 11 (Segmentation fault)");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
	child_close(&child);
}

static void assert_says(struct child *child, char *script, const char *expected)
{
	char text[512] = "";
	assert_ends(child, script, "exit 0");
	ssize_t size = read(child->output[0], text, sizeof(text) - 1);
	text[size > 0 ? size : 0] = '\0';
	assert_string_equal(text, expected);
}

static void a_process_gets_nothing_but_what_is_meant_for_it(void **state)
{
	(void)state;
	struct child child;
	child_open(&child);
	setenv("REDIS_PASSWORD", "Redis-Secret-1", 1);
	int ours = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	assert_says(&child, "ls /proc/self/fd | wc -l; echo ${REDIS_PASSWORD-none}; pwd; cat",
		    "4\nnone\n/\n"); /* 0, 1, 2, and the folder that ls reads */
	close(ours);
	child_close(&child);
}

static void what_is_kept_has_its_number_there_too(void **state)
{
	(void)state;
	struct child child;
	char script[64], text[8] = "";
	int ends[2];
	child_open(&child);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	int kept = fcntl(ends[1], F_DUPFD_CLOEXEC, 9); /* one digit is all that sh takes */
	assert_true(kept >= 0);
	snprintf(script, sizeof(script), "echo hello >/proc/self/fd/%d", kept);
	child_start(&child, script, &kept, 1);
	run_until(child.loop, has_ended, &child);
	assert_string_equal(child.how, "exit 0");
	assert_int_equal(read(ends[0], text, sizeof(text)), 6);
	assert_int_equal(fcntl(kept, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC); /* ours is as it was */
	close(kept);
	close(ends[0]);
	close(ends[1]);
	child_close(&child);
}

static void a_process_is_in_a_session_of_its_own(void **state)
{
	(void)state;
	struct child child;
	child_open(&child);
	assert_says(&child, "set -- $(cat /proc/$$/stat); test $6 = $$ && echo leader", "leader\n");
	child_close(&child);
}

static void a_program_that_can_t_run_ends_with_127(void **state)
{
	(void)state;
	struct child child;
	child_open(&child);
	close(child.shell);
	child.shell = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	assert_ends(&child, "", "exit 127");
	child_close(&child);
}

static void freeing_a_process_kills_it(void **state)
{
	(void)state;
	struct child child;
	child_open(&child);
	child_start(&child, "sleep 60", NULL, 0);
	pid_t pid = process_id(child.process);
	assert_true(process_is_alive(child.process));
	process_free(&child.process);
	assert_int_equal(kill(pid, 0), -1);
	assert_false(child.ended);
	child_close(&child);
}

/*
 * A debugger holds the child: to its parent it is not gone, however often it is killed. Ends when the other end of
 * `done` is closed.
 */
static pid_t keep_alive(pid_t pid, const int done[2])
{
	int ready[2];
	char byte;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t debugger = fork();
	if (debugger == 0) {
		byte = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? 'k' : 'n';
		(void)!write(ready[1], &byte, 1);
		close(done[1]);
		(void)!read(done[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'k');
	close(ready[0]);
	return debugger;
}

static void one_that_does_not_die_is_left_to_itself(void **state)
{
	(void)state;
	struct child child;
	int done[2];
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	child_open(&child);
	child_start(&child, "sleep 60", NULL, 0);
	pid_t pid = process_id(child.process);
	pid_t debugger = keep_alive(pid, done);
	alarm(60); /* the end of a test that waits for ever */
	process_free(&child.process);
	alarm(0);
	assert_int_equal(kill(pid, 0), 0); /* a zombie */
	close(done[1]);
	assert_int_equal(waitpid(debugger, NULL, 0), debugger);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(done[0]);
	child_close(&child);
}

/* A process that starts another and is killed: the other follows. */
static void processes_die_with_who_started_them(void **state)
{
	(void)state;
	int report[2];
	pid_t grandchild = 0;
	char byte;
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid_t middle = fork();
	if (middle == 0) {
		struct child child;
		child_open(&child);
		child_start(&child, "sleep 60", &report[1], 1);
		grandchild = process_id(child.process);
		(void)!write(report[1], &grandchild, sizeof(grandchild));
		pause();
		_exit(0);
	}
	assert_int_equal(read(report[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	close(report[1]);
	kill(middle, SIGKILL);
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	/* The grandchild held the pipe's last end: its death is the end of the file. */
	assert_int_equal(read(report[0], &byte, 1), 0);
	close(report[0]);
}

/* ---- the embedded Redis */

struct redis_test {
	struct fixture f;
	struct loop *loop;
	struct logs *logs;
	struct folders folders;
	struct stats *stats;
	struct embedded_redis *redis;
	bool stopped;
};

static void take_stopped(void *context)
{
	((struct redis_test *)context)->stopped = true;
}

static bool is_stopped(void *context)
{
	return ((struct redis_test *)context)->stopped;
}

static void redis_open(struct redis_test *t)
{
	struct log_target *target = NULL;
	*t = (struct redis_test){ .folders = FOLDERS_NONE };
	fixture_open(&t->f);
	fixture_config(&t->f, ONE_LISTENER PLAIN_RELAY "log { target = \"log\" }\n");
	assert_int_equal(folders_lock(t->f.config, 0, t->f.faults, &t->folders), STATUS_OK);
	assert_int_equal(loop_create(&t->loop), STATUS_OK);
	assert_int_equal(log_target_open(t->f.config, &target), STATUS_OK);
	assert_int_equal(stats_create_private(&t->stats), STATUS_OK);
	assert_int_equal(logs_create(t->loop, target, t->stats, &t->logs), STATUS_OK);
}

static enum status redis_start(struct redis_test *t)
{
	const struct embedded_redis_options options = {
		.config = t->f.config,
		.lock = t->folders.state_lock,
		.logs = t->logs,
		.stats = t->stats,
		.on_stopped = take_stopped,
		.context = t,
	};
	t->stopped = false;
	return embedded_redis_create(t->loop, &options, PATIENCE_MS, t->f.faults, &t->redis);
}

static void redis_close(struct redis_test *t)
{
	embedded_redis_free(&t->redis);
	logs_free(&t->logs);
	stats_free_private(&t->stats);
	loop_free(t->loop);
	folders_unlock(&t->folders);
	fixture_close(&t->f);
}

static void redis_end(struct redis_test *t)
{
	embedded_redis_stop(t->redis);
	run_until(t->loop, is_stopped, t);
	embedded_redis_free(&t->redis);
}

/* One exchange; "" where nobody answers. */
static void exchange_with_redis(const struct redis_test *t, const char *request, char *out_reply, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t got = 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", embedded_redis_server(t->redis) + strlen("unix:"));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, request, strlen(request), MSG_NOSIGNAL) > 0) {
		shutdown(fd, SHUT_WR);
		got = recv(fd, out_reply, size - 1, MSG_WAITALL);
	}
	out_reply[got > 0 ? got : 0] = '\0';
	close(fd);
}

static void with_password(const struct redis_test *t, const char *command, char *out_reply, size_t size)
{
	struct secret password SECRET_AUTO = { 0 };
	char request[256];
	assert_int_equal(secret_from_fd(embedded_redis_password_fd(t->redis), &password), STATUS_OK);
	snprintf(request, sizeof(request), "AUTH %.*s\r\n%s\r\n", SPAN_ARGS(secret_reveal(&password)), command);
	exchange_with_redis(t, request, out_reply, size);
}

static void redis_answers_who_knows_its_password(void **state)
{
	(void)state;
	struct redis_test t;
	char reply[256];
	redis_open(&t);
	assert_int_equal(redis_start(&t), STATUS_OK);
	exchange_with_redis(&t, "PING\r\n", reply, sizeof(reply));
	assert_int_equal(strncmp(reply, "-NOAUTH", 7), 0);
	with_password(&t, "PING", reply, sizeof(reply));
	assert_string_equal(reply, "+OK\r\n+PONG\r\n");
	redis_end(&t);
	redis_close(&t);
}

static bool answers_again(void *context)
{
	char reply[256];
	with_password(context, "GET k", reply, sizeof(reply));
	return strcmp(reply, "+OK\r\n$1\r\n1\r\n") == 0;
}

static void redis_keeps_what_it_acknowledged_and_comes_back_when_killed(void **state)
{
	(void)state;
	struct redis_test t;
	char reply[4096];
	redis_open(&t);
	assert_int_equal(redis_start(&t), STATUS_OK);
	with_password(&t, "INCR k", reply, sizeof(reply));
	assert_string_equal(reply, "+OK\r\n:1\r\n");
	with_password(&t, "INFO server", reply, sizeof(reply));
	const char *id = strstr(reply, "process_id:");
	assert_non_null(id);
	kill((pid_t)strtol(id + strlen("process_id:"), NULL, 10), SIGKILL);
	run_until(t.loop, answers_again, &t);
	redis_end(&t);
	assert_int_equal(redis_start(&t), STATUS_OK);
	assert_true(answers_again(&t));
	redis_end(&t);
	redis_close(&t);
}

static void redis_keeps_the_lock_of_its_folder(void **state)
{
	(void)state;
	struct redis_test t;
	struct folders second = FOLDERS_NONE;
	redis_open(&t);
	assert_int_equal(redis_start(&t), STATUS_OK);
	folders_unlock(&t.folders);
	assert_int_equal(folders_lock(t.f.config, 0, t.f.faults, &second), STATUS_REFUSED);
	redis_end(&t);
	assert_int_equal(folders_lock(t.f.config, 0, t.f.faults, &second), STATUS_OK);
	folders_unlock(&second);
	redis_close(&t);
}

static void without_the_program_it_is_told_what_to_install(void **state)
{
	(void)state;
	struct redis_test t;
	char *path = strdup(getenv("PATH"));
	redis_open(&t);
	setenv("PATH", t.f.folder, 1);
	assert_int_equal(redis_start(&t), STATUS_NOT_FOUND);
	setenv("PATH", path, 1);
	free(path);
	assert_non_null(strstr(fixture_told(&t.f), "install redis-server"));
	redis_close(&t);
}

static void a_redis_that_can_t_start_is_told_at_once(void **state)
{
	(void)state;
	struct redis_test t;
	char fake[PATH_SIZE], *path = strdup(getenv("PATH"));
	redis_open(&t);
	fixture_write(&t.f, "redis-server", "#!/bin/sh\necho this is the reason; exit 1\n", 0755);
	fixture_path(&t.f, "", fake);
	setenv("PATH", fake, 1);
	assert_int_not_equal(redis_start(&t), STATUS_OK);
	setenv("PATH", path, 1);
	free(path);
	assert_non_null(strstr(fixture_told(&t.f), "ended at once"));
	redis_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_process_is_told_once_and_in_words),
		cmocka_unit_test(a_process_gets_nothing_but_what_is_meant_for_it),
		cmocka_unit_test(what_is_kept_has_its_number_there_too),
		cmocka_unit_test(a_process_is_in_a_session_of_its_own),
		cmocka_unit_test(a_program_that_can_t_run_ends_with_127),
		cmocka_unit_test(freeing_a_process_kills_it),
		cmocka_unit_test(one_that_does_not_die_is_left_to_itself),
		cmocka_unit_test(processes_die_with_who_started_them),
		cmocka_unit_test(redis_answers_who_knows_its_password),
		cmocka_unit_test(redis_keeps_what_it_acknowledged_and_comes_back_when_killed),
		cmocka_unit_test(redis_keeps_the_lock_of_its_folder),
		cmocka_unit_test(without_the_program_it_is_told_what_to_install),
		cmocka_unit_test(a_redis_that_can_t_start_is_told_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
