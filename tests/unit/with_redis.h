/* For tests that need Redis: a real redis-server on a UNIX socket in a folder of its own, ended by its process id. */
#ifndef TESTS_WITH_REDIS_H
#define TESTS_WITH_REDIS_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/with_loop.h"

#define TEST_REDIS_PASSWORD "test-password"

struct test_redis {
	char folder[64];
	char server[128]; /* "unix:/…" as redis_options wants it */
	pid_t pid;
	char clock_file[80];       /* "" unless its clock may be shifted */
	char address[32], port[8]; /* where it listens besides; "": nowhere */
	char bus[8];               /* the port for others of its cluster; "": it is of none */
};

/* Before its start: test_redis_shift_clock may be used. `make unit` builds the library that does it. */
static inline void test_redis_let_clock_shift(struct test_redis *test)
{
	snprintf(test->folder, sizeof(test->folder), "/tmp/subgate-redis-XXXXXX");
	assert_non_null(mkdtemp(test->folder));
	snprintf(test->clock_file, sizeof(test->clock_file), "%s/clock", test->folder);
}

/* Its time of day is so many seconds ahead of ours from now on. */
static inline void test_redis_shift_clock(const struct test_redis *test, long seconds)
{
	FILE *file = fopen(test->clock_file, "w");
	assert_non_null(file);
	fprintf(file, "%ld\n", seconds);
	fclose(file);
}

static inline void test_redis_preload_clock(const struct test_redis *test)
{
	char path[256] = { 0 };
	if (test->clock_file[0] == '\0')
		return;
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 32);
	while (size > 0 && path[size - 1] != '/')
		size--;
	snprintf(path + size, sizeof(path) - (size_t)size, "shifted_clock.so");
	if (access(path, R_OK) != 0)
		_exit(1);
	setenv("LD_PRELOAD", path, 1);
	setenv("SHIFTED_CLOCK", test->clock_file, 1);
}

static inline bool test_redis_answers(const struct test_redis *test)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", test->folder);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return answers;
}

static inline void test_redis_start(struct test_redis *test)
{
	char socket_path[96];
	if (test->folder[0] == '\0') {
		snprintf(test->folder, sizeof(test->folder), "/tmp/subgate-redis-XXXXXX");
		assert_non_null(mkdtemp(test->folder));
	}
	snprintf(socket_path, sizeof(socket_path), "%s/s", test->folder);
	snprintf(test->server, sizeof(test->server), "unix:%s", socket_path);
	test->pid = fork();
	assert_true(test->pid >= 0);
	if (test->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(1);
		test_redis_preload_clock(test);
		execlp("redis-server", "redis-server", "--port", test->port[0] ? test->port : "0", "--bind",
		       test->port[0] ? test->address : "127.0.0.1", "--unixsocket", socket_path, "--dir", test->folder,
		       "--save", "", "--requirepass", TEST_REDIS_PASSWORD, "--cluster-enabled",
		       test->bus[0] ? "yes" : "no", "--cluster-port", test->bus[0] ? test->bus : "0", NULL);
		_exit(1);
	}
	for (int i = 0; i < 3000 && !test_redis_answers(test); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_true(test_redis_answers(test));
}

static inline void test_redis_stop(struct test_redis *test)
{
	char path[96];
	kill(test->pid, SIGCONT);
	kill(test->pid, SIGKILL);
	waitpid(test->pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/s", test->folder);
	unlink(path);
}

/* By redis-cli, as an administrator would: a command in words for the shell. Gives the first line of the answer. */
static inline void test_redis_ask(const struct test_redis *test, const char *command, char *out_answer, int size)
{
	char line[512];
	snprintf(line, sizeof(line), "redis-cli -s %s/s -a " TEST_REDIS_PASSWORD " %s 2>/dev/null", test->folder,
		 command);
	FILE *pipe = popen(line, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(out_answer, size, pipe));
	assert_int_equal(pclose(pipe), 0);
	out_answer[strcspn(out_answer, "\n")] = '\0';
}

static inline void test_redis_expect(const struct test_redis *test, const char *command, const char *expected)
{
	char answer[200] = "";
	test_redis_ask(test, command, answer, sizeof(answer));
	assert_string_equal(answer, expected);
}

/* The same, whatever it answers. */
static inline void test_redis_tell(const struct test_redis *test, const char *command)
{
	char line[512];
	snprintf(line, sizeof(line), "redis-cli -s %s/s -a " TEST_REDIS_PASSWORD " %s >/dev/null 2>&1", test->folder,
		 command);
	assert_int_equal(system(line), 0);
}

/* And its folder with it. */
static inline void test_redis_remove(struct test_redis *test)
{
	char nodes[96];
	test_redis_stop(test);
	snprintf(nodes, sizeof(nodes), "%s/nodes.conf", test->folder);
	unlink(nodes); /* of a cluster */
	unlink(test->clock_file);
	rmdir(test->folder);
}

#endif
