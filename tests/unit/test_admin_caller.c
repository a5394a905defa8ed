/* Who calls at the control socket. What other users may do is in tests/e2e/test_admin_records.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/caller.h"

static const struct caller_groups nobodys = { (gid_t)-1, (gid_t)-1 };

static void the_user_that_we_run_as_is_an_administrator(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	struct caller caller = caller_identify(ends[0], &nobodys);
	assert_int_equal(caller.uid, geteuid());
	assert_int_equal(caller.right, CALLER_ADMIN);
	close(ends[0]);
	close(ends[1]);
}

static void whom_the_kernel_does_not_know_is_nobody(void **state)
{
	(void)state;
	const struct caller_groups everybodys = { 0, 0 };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct caller caller = caller_identify(fd, &everybodys);
	assert_int_equal(caller.right, CALLER_NOBODY);
	assert_true(caller.uid == UINT64_MAX);
	close(fd);
}

static void a_name_is_that_of_the_passwd_file(void **state)
{
	(void)state;
	char name[CALLER_NAME_SIZE];
	caller_find_name(0, name);
	assert_string_equal(name, "root");
	caller_find_name(4123456789, name);
	assert_string_equal(name, "");
	caller_find_name(UINT64_MAX, name);
	assert_string_equal(name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_user_that_we_run_as_is_an_administrator),
		cmocka_unit_test(whom_the_kernel_does_not_know_is_nobody),
		cmocka_unit_test(a_name_is_that_of_the_passwd_file),
	};
	return cmocka_run_group_tests_name("admin caller", tests, NULL, NULL);
}
