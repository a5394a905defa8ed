/* A node's relay processes after a loss: the newest one waits until the older ones have brought what they charged. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/marker_bench.h"

/* A process of the node that lives, as the lock on its place in the state file says: "00000000000a…". */
static pid_t start_older_process(const struct bench *bench)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (1 << 20) + 0xa, .l_len = 1 };
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		int fd = open(bench->file, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_older_process(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool tells_that_one_is_waited_for(void *context)
{
	char why[MARKER_WAITING_SIZE];
	marker_explain(((struct bench *)context)->marker, why);
	return strstr(why, "those of a relay process that ends are missing") != NULL;
}

/* What it lets out until then the audit does not tell yet. */
static void an_older_process_brings_its_own_before_the_audit_is_read(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	pid_t pid = start_older_process(bench);
	empty_redis(bench);
	run_until(bench->loop, tells_that_one_is_waited_for, bench);
	for (int i = 0; i < 5; i++)
		assert_int_equal(confirm(bench), MARKER_UNSOUND);
	assert_false(wants_counts(bench));
	test_redis_tell(
		&bench->server,
		"EVAL \"return redis.call('HSET', 'test:marker', 'p:00000000000a11111111222222223333', '7 1 ' .. "
		"redis.call('HGET', 'test:marker', 'id'))\" 0");
	run_until(bench->loop, wants_counts, bench);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench);
	end_older_process(pid);
}

static void an_older_process_that_has_died_is_waited_for_no_more(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	pid_t pid = start_older_process(bench);
	empty_redis(bench);
	run_until(bench->loop, tells_that_one_is_waited_for, bench);
	end_older_process(pid);
	run_until(bench->loop, wants_counts, bench);
}

static void one_that_drains_waits_for_no_other(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	marker_drain(bench->marker);
	pid_t pid = start_older_process(bench);
	empty_redis(bench);
	run_until(bench->loop, wants_counts, bench);
	end_older_process(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(an_older_process_brings_its_own_before_the_audit_is_read),
		WITH_BENCH(an_older_process_that_has_died_is_waited_for_no_more),
		WITH_BENCH(one_that_drains_waits_for_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
