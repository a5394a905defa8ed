/* The audit's files that were deleted while they were written: for how long they are kept, and who gets them how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervise/audit_strays.h"

#define KEPT_S 120

/* ---- a clock that can be set ahead */

static time_t ahead_s;

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int failed = (int)syscall(SYS_clock_gettime, clock, out);
	out->tv_sec += ahead_s;
	return failed;
}

/* ---- files */

/* A file without a name that holds this. */
static int make_stray(const char *content)
{
	char path[] = "/tmp/subgate-stray-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	return fd;
}

static void keep_and_close(int fd)
{
	audit_strays_keep(fd);
	close(fd);
}

/* What those hold that a relay gets which writes `audit_fd`. */
static void assert_given(int audit_fd, const char *expected)
{
	struct handover list = { 0 };
	size_t given = 3;
	char text[200] = "";
	assert_int_equal(audit_strays_give(audit_fd, &list, &given), STATUS_OK);
	assert_int_equal(given, 3 + list.count);
	for (size_t i = 0; i < list.count; i++) {
		char name[64], content[16] = "";
		snprintf(name, sizeof(name), "audit-earlier:%zu", 3 + i);
		assert_string_equal(list.items[i].name, name);
		assert_int_equal(list.items[i].roles, TO(ROLE_RELAY));
		assert_true(read(list.items[i].fd, content, sizeof(content) - 1) > 0);
		assert_int_equal(write(list.items[i].fd, "x", 1), -1);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", content);
	}
	assert_string_equal(text, expected);
	handover_close(&list);
}

static int let_time_pass(void **state)
{
	(void)state;
	ahead_s += KEPT_S;
	audit_strays_tidy();
	assert_given(-1, "");
	return 0;
}

/* ---- cases */

static void each_is_kept_once_and_the_newest_is_given_first(void **state)
{
	(void)state;
	int a = make_stray("a");
	audit_strays_keep(a);
	keep_and_close(make_stray("b"));
	audit_strays_keep(a); /* by the keeper of another generation */
	close(a);
	assert_given(-1, "b a");
	assert_given(-1, "b a"); /* from its beginning each time */
}

static void nobody_gets_the_file_that_they_write_twice(void **state)
{
	(void)state;
	int a = make_stray("a");
	audit_strays_keep(a);
	keep_and_close(make_stray("b"));
	assert_given(a, "b");
	close(a);
}

static void of_many_the_newest_are_kept(void **state)
{
	(void)state;
	for (int i = 0; i <= AUDIT_STRAYS_MAXIMUM; i++)
		keep_and_close(make_stray((const char[]){ (char)('a' + i), '\0' }));
	assert_given(-1, "i h g f e d c b");
}

static void each_is_let_go_when_its_time_is_over(void **state)
{
	(void)state;
	keep_and_close(make_stray("a"));
	ahead_s += KEPT_S / 2;
	keep_and_close(make_stray("b"));
	audit_strays_tidy();
	assert_given(-1, "b a");
	ahead_s += KEPT_S / 2;
	audit_strays_tidy();
	assert_given(-1, "b");
}

#define CASE(name) cmocka_unit_test_teardown(name, let_time_pass)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_is_kept_once_and_the_newest_is_given_first),
		CASE(nobody_gets_the_file_that_they_write_twice),
		CASE(of_many_the_newest_are_kept),
		CASE(each_is_let_go_when_its_time_is_over),
	};
	return cmocka_run_group_tests_name("audit strays", tests, NULL, NULL);
}
