/* The paths that the sandbox leaves to a role, tried by a child for each case. */
#include <sys/syscall.h>

#include "with_sandbox.h"

#ifdef SUBGATE_SANITIZED

int main(void)
{
	puts("built with a sanitizer: there is no sandbox to test");
	return 0;
}

#else

static int open_secret(void *context)
{
	return error_of(open(context, O_RDONLY));
}

static int write_etc(void *context)
{
	(void)context;
	return error_of(open("/etc/subgate-test", O_WRONLY | O_CREAT, 0600));
}

static int make_spool_file(void *context)
{
	int fd = openat(*(int *)context, ".", O_TMPFILE | O_RDWR, 0600);
	return fd < 0 ? errno : error_of(write(fd, "x", 1));
}

static int make_slot(void *context)
{
	return error_of(openat(*(int *)context, "gmail.1", O_RDWR | O_CREAT, 0600));
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* ask for the version */) > 0;
}

static void a_role_reads_the_system_and_nothing_of_others(void **state)
{
	(void)state;
	struct fixture f;
	struct handover list = { 0 };
	char secret[PATH_SIZE];
	if (!has_landlock())
		skip();
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY);
	fixture_write(&f, "secret", "secret", 0600);
	fixture_path(&f, "secret", secret);
	assert_int_equal(in_child(ROLE_AUTH, &f, &list, open_secret, secret), EACCES);
	assert_int_equal(in_child(ROLE_RELAY, &f, &list, open_secret, secret), EACCES);
	assert_int_equal(in_child(ROLE_ADMIN, &f, &list, open_secret, secret), EACCES);
	assert_int_equal(in_child(ROLE_AUTH, &f, &list, open_file, NULL), 0);
	assert_int_equal(in_child(ROLE_RELAY, &f, &list, write_etc, NULL), EACCES);
	fixture_close(&f);
}

static void the_relay_works_in_its_folders_alone(void **state)
{
	(void)state;
	struct fixture f;
	struct handover list = { 0 };
	char path[PATH_SIZE];
	if (!has_landlock())
		skip();
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY);
	int other = open(f.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture_path(&f, "spool", path);
	assert_int_equal(mkdir(path, 0700), 0);
	int spool = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(handover_add(&list, TO(ROLE_RELAY), spool, "spool"), STATUS_OK);
	assert_int_equal(in_child(ROLE_RELAY, &f, &list, make_spool_file, &spool), 0);
	assert_int_equal(in_child(ROLE_RELAY, &f, &list, make_slot, &spool), 0);
	assert_int_equal(in_child(ROLE_RELAY, &f, &list, make_slot, &other), EACCES);
	assert_int_equal(in_child(ROLE_AUTH, &f, &list, make_slot, &spool), EACCES);
	handover_close(&list);
	close(other);
	fixture_close(&f);
}

static void auth_reads_the_ca_file_of_its_directory(void **state)
{
	(void)state;
	struct fixture f;
	struct handover list = { 0 };
	char ca[PATH_SIZE];
	if (!has_landlock())
		skip();
	fixture_open(&f);
	fixture_write(&f, "ca.pem", "certificate", 0644);
	fixture_path(&f, "ca.pem", ca);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY
		       "ldap corp { uri = {\"ldaps://ldap\"} base = \"dc=example\" ca_file = \"ca.pem\" }\n");
	assert_int_equal(in_child(ROLE_AUTH, &f, &list, open_secret, ca), 0);
	assert_int_equal(in_child(ROLE_ADMIN, &f, &list, open_secret, ca), EACCES);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_reads_the_system_and_nothing_of_others),
		cmocka_unit_test(the_relay_works_in_its_folders_alone),
		cmocka_unit_test(auth_reads_the_ca_file_of_its_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
