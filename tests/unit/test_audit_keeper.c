/* The supervisor's eye on the audit's file: what happens to it is noticed, and the next one is handed over. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/audit_keeper.h"
#include "supervise/audit_strays.h"
#include "tests/unit/keeper_threads.h"
#include "tests/unit/with_loop.h"

static const char record[] = "{\"ts\":\"2020-11-28T23:59:59.999999Z\",\"type\":\"session.open\"}\n";

static struct {
	char folder[64], path[100];
	struct loop *loop;
	struct config config;
	struct audit_keeper *keeper;
	int fd;
	unsigned handed_over;
	char former_name[256];
} world;

static void take_next(void *context, int fd, const char *former_name)
{
	(void)context;
	close(world.fd);
	world.fd = fd;
	world.handed_over++;
	snprintf(world.former_name, sizeof(world.former_name), "%s", former_name);
}

static bool was_handed_over(void *context)
{
	return world.handed_over >= *(unsigned *)context;
}

static void wait_for_file(unsigned count)
{
	run_until(world.loop, was_handed_over, &count);
	assert_int_equal(world.handed_over, count);
}

static int begin_keeper(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.folder, sizeof(world.folder), "/tmp/subgate-keeper-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	snprintf(world.path, sizeof(world.path), "%s/a", world.folder);
	world.config.audit.file = world.path;
	world.fd = open(world.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(world.fd, LOCK_SH), 0); /* as archive_open leaves it: it is being written */
	assert_int_equal(write(world.fd, record, sizeof(record) - 1), sizeof(record) - 1);
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	return 0;
}

static int end_keeper(void **state)
{
	char command[200];
	(void)state;
	audit_keeper_free(&world.keeper);
	wait_for_no_keeper();
	close(world.fd);
	loop_free(world.loop);
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	return system(command);
}

static void start_keeper(void)
{
	assert_int_equal(audit_keeper_create(world.loop, &world.config, NULL, world.fd, take_next, NULL, &world.keeper),
			 STATUS_OK);
}

/* The file that we were handed last is the one of the path. */
static void assert_in_place(void)
{
	struct stat own, there;
	assert_int_equal(fstat(world.fd, &own), 0);
	assert_int_equal(lstat(world.path, &there), 0);
	assert_int_equal(own.st_ino, there.st_ino);
	assert_int_equal(fcntl(world.fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
}

static void rename_to(const char *name)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", world.folder, name);
	assert_int_equal(rename(world.path, path), 0);
}

static void a_renamed_file_has_a_successor(void **state)
{
	(void)state;
	start_keeper();
	rename_to("b");
	wait_for_file(1);
	assert_string_equal(world.former_name, "b");
	assert_in_place();
	rename_to("c"); /* and that one, too */
	wait_for_file(2);
	assert_string_equal(world.former_name, "c");
	assert_in_place();
}

static void a_deleted_file_has_a_successor(void **state)
{
	(void)state;
	start_keeper();
	assert_int_equal(unlink(world.path), 0);
	wait_for_file(1);
	assert_string_equal(world.former_name, "");
	assert_in_place();
}

/* Whether a relay that starts now gets this file, which no path leads it to. */
static bool is_given(int fd)
{
	struct stat own, there;
	struct handover list = { 0 };
	size_t given = 0;
	bool is_there = false;
	assert_int_equal(audit_strays_give(-1, &list, &given), STATUS_OK);
	assert_int_equal(fstat(fd, &own), 0);
	for (size_t i = 0; i < given; i++)
		is_there |= fstat(list.items[i].fd, &there) == 0 && own.st_dev == there.st_dev &&
			    own.st_ino == there.st_ino;
	handover_close(&list);
	return is_there;
}

static void what_no_name_leads_to_is_kept_for_the_next_relay(void **state)
{
	int fds[3] = { dup(world.fd) };
	(void)state;
	start_keeper();
	rename_to("a.1");
	wait_for_file(1);
	assert_false(is_given(fds[0])); /* it is found by its name */
	fds[1] = dup(world.fd);
	rename_to("b");
	wait_for_file(2);
	assert_true(is_given(fds[1]));
	fds[2] = dup(world.fd);
	assert_int_equal(unlink(world.path), 0);
	wait_for_file(3);
	assert_true(is_given(fds[2]));
	assert_false(is_given(world.fd));
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

static void a_file_that_somebody_put_in_its_place_is_taken(void **state)
{
	(void)state;
	start_keeper();
	rename_to("b");
	int fd = open(world.path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	assert_true(fd >= 0);
	close(fd);
	wait_for_file(1);
	assert_in_place();
}

static void while_a_folder_has_its_name_it_is_tried_again(void **state)
{
	(void)state;
	start_keeper();
	rename_to("b");
	assert_int_equal(mkdir(world.path, 0700), 0);
	run_for(world.loop, 1500);
	assert_int_equal(world.handed_over, 0);
	assert_int_equal(rmdir(world.path), 0);
	wait_for_file(1);
	assert_string_equal(world.former_name, "b");
	assert_in_place();
}

static void only_the_one_that_leads_rotates(void **state)
{
	(void)state;
	world.config.audit.rotate_size = 1;
	start_keeper();
	run_for(world.loop, 1500);
	assert_int_equal(world.handed_over, 0);
	audit_keeper_lead(world.keeper, true);
	wait_for_file(1);
	assert_int_equal(strncmp(world.former_name, "a-20", 4), 0);
	assert_in_place();
}

static bool is_packed(void *context)
{
	char path[400];
	(void)context;
	snprintf(path, sizeof(path), "%s/%s.gz", world.folder, world.former_name);
	return access(path, F_OK) == 0;
}

static void a_rotated_file_is_packed_once_nobody_writes_it(void **state)
{
	(void)state;
	world.config.audit.rotate_size = 1;
	world.config.audit.compress = AUDIT_COMPRESS_GZIP;
	start_keeper();
	audit_keeper_lead(world.keeper, true);
	wait_for_file(1);
	run_until(world.loop, is_packed, NULL);
}

static void of_a_device_nothing_is_kept(void **state)
{
	char device[] = "/dev/null";
	(void)state;
	close(world.fd);
	world.config.audit.file = device;
	world.config.audit.rotate_size = 1;
	world.fd = open(device, O_RDWR | O_CLOEXEC);
	start_keeper();
	audit_keeper_lead(world.keeper, true);
	run_for(world.loop, 1500);
	assert_int_equal(world.handed_over, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_keeper, end_keeper)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_renamed_file_has_a_successor),
		CASE(a_deleted_file_has_a_successor),
		CASE(what_no_name_leads_to_is_kept_for_the_next_relay),
		CASE(a_file_that_somebody_put_in_its_place_is_taken),
		CASE(while_a_folder_has_its_name_it_is_tried_again),
		CASE(only_the_one_that_leads_rotates),
		CASE(a_rotated_file_is_packed_once_nobody_writes_it),
		CASE(of_a_device_nothing_is_kept),
	};
	return cmocka_run_group_tests_name("audit keeper", tests, NULL, NULL);
}
