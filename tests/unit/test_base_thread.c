/* Threads: their names, their signals, their stacks, and those that can't be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/thread.h"

#define STACK_SIZE (256U << 10) /* bytes */

struct thread_sight {
	char name[16];
	sigset_t blocked;
	size_t stack_size;
};

static void *look_around(void *context)
{
	struct thread_sight *seen = context;
	pthread_attr_t attributes;
	pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstacksize(&attributes, &seen->stack_size);
	pthread_attr_destroy(&attributes);
	return seen;
}

static struct thread_sight run_thread(const char *name)
{
	struct thread_sight seen = { .stack_size = 0 };
	pthread_t thread;
	void *result = NULL;
	assert_int_equal(thread_start(name, STACK_SIZE, look_around, &seen, &thread), STATUS_OK);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, &seen);
	return seen;
}

static void a_thread_has_its_name_and_its_stack(void **state)
{
	struct thread_sight seen = run_thread("writer");
	(void)state;
	assert_string_equal(seen.name, "writer");
	assert_in_range(seen.stack_size, STACK_SIZE, STACK_SIZE + (64U << 10));
}

static void a_long_name_is_cut(void **state)
{
	(void)state;
	assert_string_equal(run_thread("a-name-of-24-bytes-there").name, "a-name-of-24-by");
}

static void a_thread_leaves_signals_to_its_maker(void **state)
{
	sigset_t after;
	(void)state;
	struct thread_sight seen = run_thread("writer");
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int signal = 1; signal < NSIG; signal++)
		assert_int_not_equal(sigismember(&after, signal), 1);
	assert_true(sigismember(&seen.blocked, SIGTERM));
	assert_true(sigismember(&seen.blocked, SIGCHLD));
}

static void a_thread_that_cannot_be_had_says_why(void **state)
{
	pthread_t thread;
	(void)state;
	errno = 0;
	assert_int_equal(thread_start("writer", 1, look_around, NULL, &thread), STATUS_SYSTEM);
	assert_int_equal(errno, EINVAL); /* no stack is that small */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_its_name_and_its_stack),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(a_thread_leaves_signals_to_its_maker),
		cmocka_unit_test(a_thread_that_cannot_be_had_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
