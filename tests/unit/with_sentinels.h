/* For tests of failover: redis-servers on TCP ports and real Sentinels, with or without TLS, in one folder. */
#ifndef TESTS_WITH_SENTINELS_H
#define TESTS_WITH_SENTINELS_H

#include <arpa/inet.h>
#include <stdarg.h>

#include "redis/redis.h"
#include "tests/unit/with_ports.h"
#include "tests/unit/with_redis.h"

#define TRIO_SERVERS 2
#define TRIO_SENTINELS 3

/* A redis-server or a Sentinel. */
struct trio_process {
	pid_t pid;
	unsigned port;
};

struct trio {
	char folder[64];
	struct trio_process servers[TRIO_SERVERS], sentinels[TRIO_SENTINELS];
	char names[TRIO_SENTINELS][48]; /* "127.0.0.1:PORT" */
	char *items[TRIO_SENTINELS];    /* and as a list of them */
	struct config_list list;
};

static inline bool trio_answers(unsigned port)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	there.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0;
	close(fd);
	return answers;
}

static inline void trio_await(unsigned port)
{
	for (int i = 0; i < 3000 && !trio_answers(port); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_true(trio_answers(port));
}

/* Starts a redis-server, or a Sentinel, with a configuration of these lines. */
static inline void trio_start_process(const struct trio *trio, struct trio_process *process, bool is_sentinel,
				      const char *lines)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/%u.conf", trio->folder, process->port);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(lines, file);
	fclose(file);
	process->pid = fork();
	assert_true(process->pid >= 0);
	if (process->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(1);
		execlp("redis-server", "redis-server", path, is_sentinel ? "--sentinel" : NULL, NULL);
		_exit(1);
	}
	trio_await(process->port);
}

static inline void trio_start_server(const struct trio *trio, struct trio_process *process, unsigned primary)
{
	char lines[512], follows[64] = "";
	if (primary)
		snprintf(follows, sizeof(follows), "replicaof 127.0.0.1 %u\n", primary);
	snprintf(lines, sizeof(lines),
		 "port %u\nbind 127.0.0.1\ndir %s\nsave \"\"\ndbfilename %u.rdb\nrepl-diskless-sync-delay 0\n"
		 "requirepass " TEST_REDIS_PASSWORD "\nmasterauth " TEST_REDIS_PASSWORD "\n%s",
		 process->port, trio->folder, process->port, follows);
	trio_start_process(trio, process, false, lines);
}

static inline void trio_start_sentinel(const struct trio *trio, struct trio_process *process, unsigned primary)
{
	char lines[512];
	snprintf(lines, sizeof(lines),
		 "port %u\nbind 127.0.0.1\ndir %s\nsentinel monitor test 127.0.0.1 %u 2\n"
		 "sentinel auth-pass test " TEST_REDIS_PASSWORD "\nsentinel down-after-milliseconds test 1000\n"
		 "sentinel failover-timeout test 4000\n",
		 process->port, trio->folder, primary);
	trio_start_process(trio, process, true, lines);
}

/* The first server is the primary, the second one its replica unless `apart`; the Sentinels watch the first. */
static inline void trio_start(struct trio *trio, bool apart)
{
	snprintf(trio->folder, sizeof(trio->folder), "/tmp/subgate-trio-XXXXXX");
	assert_non_null(mkdtemp(trio->folder));
	for (int i = 0; i < TRIO_SERVERS; i++) {
		trio->servers[i].port = test_free_port();
		trio_start_server(trio, &trio->servers[i], i && !apart ? trio->servers[0].port : 0);
	}
	for (int i = 0; i < TRIO_SENTINELS; i++) {
		trio->sentinels[i].port = test_free_port();
		trio_start_sentinel(trio, &trio->sentinels[i], trio->servers[0].port);
		snprintf(trio->names[i], sizeof(trio->names[i]), "127.0.0.1:%u", trio->sentinels[i].port);
		trio->items[i] = trio->names[i];
	}
	trio->list = (struct config_list){ trio->items, TRIO_SENTINELS };
}

static inline void trio_end_process(struct trio_process *process)
{
	if (process->pid <= 0)
		return;
	kill(process->pid, SIGCONT);
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
	process->pid = 0;
}

/* redis-cli, as an administrator would; 0: it has succeeded, and its answer matches `expected`, a grep pattern. */
static inline int trio_ask(unsigned port, const char *expected, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static inline int trio_ask(unsigned port, const char *expected, const char *format, ...)
{
	char command[256], line[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	snprintf(line, sizeof(line),
		 "redis-cli -p %u --no-auth-warning -a " TEST_REDIS_PASSWORD " %s 2>&1 | grep -q '%s'", port, command,
		 expected);
	return system(line);
}

static inline void trio_await_answer(unsigned port, const char *expected, const char *command)
{
	for (int i = 0; i < 1000 && trio_ask(port, expected, "%s", command) != 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
	assert_int_equal(trio_ask(port, expected, "%s", command), 0);
}

/* Until they know each other and the replica: before that there is no failover. */
static inline void trio_await_readiness(const struct trio *trio)
{
	trio_await_answer(trio->servers[0].port, "state=online", "INFO replication");
	for (int i = 0; i < TRIO_SENTINELS; i++)
		trio_await_answer(trio->sentinels[i].port, "status=ok,.*slaves=1,sentinels=3", "INFO sentinel");
}

static inline void trio_remove(struct trio *trio)
{
	char line[96];
	for (int i = 0; i < TRIO_SENTINELS; i++)
		trio_end_process(&trio->sentinels[i]);
	for (int i = 0; i < TRIO_SERVERS; i++)
		trio_end_process(&trio->servers[i]);
	if (trio->folder[0] == '\0')
		return;
	snprintf(line, sizeof(line), "rm -r %s", trio->folder);
	assert_int_equal(system(line), 0);
}

#endif
